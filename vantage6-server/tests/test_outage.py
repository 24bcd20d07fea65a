"""What is logged of an error: all of it, unless the database is away."""

import io
import logging

import pytest
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from vantage6.server import outage

REFUSED = Exception("refused\nIs it running there?")


def logged(error: Exception) -> str:
    """What a handler writes of an error."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(outage.shorten)
    logger = logging.Logger("a library")
    logger.addHandler(handler)
    try:
        raise error
    except Exception:
        logger.exception("message handler %s\n", "error")
    return written.getvalue()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OperationalError("SELECT a secret", {}, REFUSED), "refused"),
        (OperationalError("", {}, ConnectionError()), "ConnectionError"),
        (PoolTimeout(), "no connection to it was free for long"),
    ],
    ids=["refused", "without a word", "all in use"],
)
def test_an_outage_of_the_database_takes_one_line(error: Exception, reason: str) -> None:
    assert logged(error) == f"message handler error: the database is not available: {reason}\n"


@pytest.mark.parametrize(
    "error",
    [ValueError("a fault"), ProgrammingError("a fault", {}, Exception())],
    ids=["a fault", "a fault in a statement"],
)
def test_of_all_else_it_is_told_where_it_was(error: Exception) -> None:
    assert "Traceback" in logged(error)


def test_what_is_no_error_stays_as_it_is() -> None:
    record = logging.LogRecord("a", logging.INFO, "", 1, "%s came", ("somebody",), None)
    assert outage.shorten(record)
    assert record.getMessage() == "somebody came"
