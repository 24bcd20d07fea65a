"""The version comes from the one VERSION file of the repository; all else stands in setup.cfg."""

from pathlib import Path

from setuptools import setup

VERSION = Path(__file__).with_name("VERSION").read_text(encoding="utf-8").strip()

setup(
    version=VERSION,
    install_requires=[
        f"vantage6-common=={VERSION}",
        "click>=8.1,<9",
        "cryptography>=42",
        "docker>=7,<8",
        "Flask>=3,<4",
        "marshmallow>=3.20,<5",
        "questionary>=2,<3",
        "requests>=2.31,<3",
        "rich>=13",
        "urllib3>=2,<3",
    ],
)
