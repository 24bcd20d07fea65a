"""The version comes from the one VERSION file of the repository; all else stands in setup.cfg."""

from pathlib import Path

from setuptools import setup

VERSION = Path(__file__).with_name("VERSION").read_text(encoding="utf-8").strip()

setup(
    version=VERSION,
    install_requires=[
        f"vantage6-common=={VERSION}",
        f"vantage6-algorithm-tools=={VERSION}",
        "platformdirs>=4,<5",
        "python-dotenv>=1,<2",
        "PyYAML>=6,<7",
        "pandas>=2,<4",
        "qrcode>=7,<9",
        "rich>=13",
    ],
)
