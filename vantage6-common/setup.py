"""The version comes from the one VERSION file of the repository; all else stands in setup.cfg."""

from pathlib import Path

from setuptools import setup

VERSION = Path(__file__).with_name("VERSION").read_text(encoding="utf-8").strip()

setup(
    version=VERSION,
    install_requires=[
        "click>=8.1,<9",
        "cryptography>=42",
        "marshmallow>=3.20,<5",
        "platformdirs>=4,<5",
        "python-socketio>=5.10,<6",
        "PyYAML>=6,<7",
        "requests>=2.31,<3",
        "questionary>=2,<3",
        "rich>=13",
        "websocket-client>=1.6,<2",
    ],
    extras_require={
        "engine": ["docker>=7,<8"],
        "tables": ["numpy>=1.26,<3", "pandas>=2,<4"],
    },
)
