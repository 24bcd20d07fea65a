"""The version comes from the one VERSION file of the repository; all else stands in setup.cfg."""

from pathlib import Path

from setuptools import setup

VERSION = Path(__file__).with_name("VERSION").read_text(encoding="utf-8").strip()

setup(
    version=VERSION,
    install_requires=[
        f"vantage6-common=={VERSION}",
        "numpy>=1.26,<3",
        "pandas>=2,<4",
    ],
    extras_require={
        # what `v6-algorithm` needs, and no algorithm container
        "developer": [
            "click>=8.1,<9",
            "docker>=7,<8",
            "psutil>=5.9",
            "pytest>=8",
            "PyYAML>=6,<7",
            "rich>=13",
        ],
        "excel": ["openpyxl>=3.1,<4"],
        "inference": ["scipy>=1.11,<2"],
        "parquet": ["pyarrow>=14"],
        "sparql": ["SPARQLWrapper>=2,<3"],
        "sql": ["SQLAlchemy>=2,<3", "psycopg[binary]>=3.1,<4"],
    },
)
