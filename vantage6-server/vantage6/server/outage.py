"""What is logged while the database is away: that it is, and not where that was noticed."""

import logging

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from vantage6.common.context import InstanceContext
from vantage6.common.log import setup_logging


def set_up_logging(context: InstanceContext) -> None:
    """As for any instance; but each request that fails as the database is away takes one line.

    At the level DEBUG all is logged that there is.

    Raises
    ------
    ConfigurationError
        When the log file cannot be written.
    """
    setup_logging(context)
    root = logging.getLogger()
    if root.level > logging.DEBUG:
        for handler in root.handlers:
            handler.addFilter(shorten)


def reason(error: BaseException | None) -> str | None:
    """What is wrong with the database itself, in one line; None where it is something else."""
    if isinstance(error, OperationalError):
        lines = str(error.orig).strip().splitlines()
        return lines[0] if lines else type(error.orig).__name__
    return "no connection to it was free for long" if isinstance(error, PoolTimeout) else None


def shorten(record: logging.LogRecord) -> bool:
    """Take the traceback from a record of an outage, also where a library logs it."""
    found = reason(record.exc_info[1]) if record.exc_info else None
    if found is not None:
        told = record.getMessage().strip()
        record.msg, record.args = "%s: the database is not available: %s", (told, found)
        record.exc_info = record.exc_text = None
    return True
