"""Names at their classic place."""

from pathlib import Path

from vantage6.common.globals import APPNAME, STRING_ENCODING

__all__ = ["APPNAME", "PACKAGE_FOLDER", "STRING_ENCODING"]

PACKAGE_FOLDER = Path(__file__).parent.parent
