"""The federated Cox model as a package that nodes run inside its image."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="v6-coxph-py",
    version="1.0.0",
    description="Cox proportional hazards over all organizations of a collaboration",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["v6_coxph_py"]),
    python_requires=">=3.11",
    install_requires=["vantage6-algorithm-tools[inference]>=3.12"],
)
