"""Logging of an instance: a file that rotates, and the console."""

import logging
import logging.handlers
import sys

from vantage6.common.context import InstanceContext
from vantage6.common.exceptions import ConfigurationError

# These tell of every single request or frame at INFO.
_NOISY = (
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


def setup_logging(context: InstanceContext) -> None:
    """Send the root logger where the configuration of an instance says.

    May be called again, for instance after a fork: it replaces its own handlers.

    Raises
    ------
    ConfigurationError
        When the log file cannot be written.
    """
    config = context.config["logging"]
    formatter = logging.Formatter(config["format"], config["datefmt"])
    handlers: list[logging.Handler] = [_file_handler(context)]
    if config["use_console"]:
        handlers.append(logging.StreamHandler(sys.stdout))
    for handler in handlers:
        handler.setFormatter(formatter)
    logging.basicConfig(level=config["level"], handlers=handlers, force=True)
    logging.captureWarnings(True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def _file_handler(context: InstanceContext) -> logging.Handler:
    config = context.config["logging"]
    try:
        context.log_file.parent.mkdir(parents=True, exist_ok=True)
        return logging.handlers.RotatingFileHandler(
            context.log_file,
            maxBytes=config["max_size"] * 1024,
            backupCount=config["backup_count"],
            encoding="utf-8",
        )
    except OSError as error:
        raise ConfigurationError(
            f"The log file {context.log_file} cannot be written: {error.strerror}"
        ) from error
