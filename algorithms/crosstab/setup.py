"""The federated contingency table as a package that nodes run inside its image."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="v6-crosstab-py",
    version="1.0.0",
    description="Contingency table of a collaboration, with chi-square and exact tests",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["v6_crosstab_py"]),
    python_requires=">=3.11",
    install_requires=["vantage6-algorithm-tools>=3.12"],
)
