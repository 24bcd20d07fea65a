"""The version of this release, as it was installed."""

from importlib.metadata import version

__version__ = version("vantage6-common")
