"""Logging of an instance: a file that rotates, and the console."""

import copy
import json
import logging
import logging.handlers
import os
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from io import TextIOWrapper
from typing import Any

from vantage6.common.context import InstanceContext
from vantage6.common.exceptions import ConfigurationError
from vantage6.common.text import logger_name

# These tell of every single request or frame at INFO, or of what they themselves are made of.
_NOISY = (
    "alembic",
    "docker",
    "engineio.client",
    "engineio.server",
    "gunicorn.access",
    "requests_oauthlib",
    "socketio.client",
    "socketio.server",
    "sqlalchemy.engine",
    "urllib3",
    "werkzeug",
)

# The request that is being answered here; every line that is logged meanwhile says so.
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


class LineFormatter(logging.Formatter):
    """Lines for people to read, in the configured format; those of a request end with its id."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """One line, without the traceback."""
        id_ = request_id.get() or ""
        # A copy, since others format the same record their own way.
        shown = copy.copy(record)
        shown.__dict__.update(name=logger_name(record.name), request_id=id_)
        line = super().formatMessage(shown)
        return f"{line} [{id_}]" if id_ and "%(request_id)" not in (self._fmt or "") else line


class JSONFormatter(logging.Formatter):
    """One JSON object per line, for programs to read; `extra={"fields": {...}}` adds to it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        moment = datetime.fromtimestamp(record.created, UTC)
        line = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class _RotatingFile(logging.handlers.RotatingFileHandler):
    """A file that other users of the machine cannot read; one that is there keeps its mode.

    It tells who does what, and what algorithms print.
    """

    def _open(self) -> TextIOWrapper:
        # Programs that collect logs are often of the group.
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        return os.fdopen(descriptor, "a", encoding=self.encoding)


def setup_logging(context: InstanceContext) -> None:
    """Send the root logger where the configuration of an instance says.

    May be called again, for instance after a fork: it replaces its own handlers.

    Raises
    ------
    ConfigurationError
        When the log file cannot be written.
    """
    config = context.config["logging"]
    formatter = _formatter(config)
    handlers: list[logging.Handler] = [_file_handler(context)]
    if config["use_console"]:
        handlers.append(logging.StreamHandler(sys.stdout))
    for handler in handlers:
        handler.setFormatter(formatter)
    logging.basicConfig(level=config["level"], handlers=handlers, force=True)
    logging.captureWarnings(True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def _formatter(config: dict[str, Any]) -> logging.Formatter:
    return JSONFormatter() if config["json"] else LineFormatter(config["format"], config["datefmt"])


def _file_handler(context: InstanceContext) -> logging.Handler:
    config = context.config["logging"]
    try:
        context.log_file.parent.mkdir(parents=True, exist_ok=True)
        return _RotatingFile(
            context.log_file,
            maxBytes=config["max_size"] * 1024,
            backupCount=config["backup_count"],
            encoding="utf-8",
        )
    except OSError as error:
        raise ConfigurationError(
            f"The log file {context.log_file} cannot be written: {error.strerror}"
        ) from error
