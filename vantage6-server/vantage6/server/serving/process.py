"""Gunicorn with one worker process: it answers requests and holds the sockets.

One worker, because a client that polls must meet the process it first spoke to.
"""

import argparse
import gc
import os
import resource
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from vantage6.common.context import InstanceContext
from vantage6.common.exceptions import ConfigurationError
from vantage6.server.configuration import ServerSchema
from vantage6.server.container.inside import where_we_are
from vantage6.server.outage import set_up_logging
from vantage6.server.serve import url
from vantage6.server.serving.worker import CONNECTIONS, KEEP_ALIVE_SECONDS, Worker

if TYPE_CHECKING:
    from flask import Flask

# How many objects more there may be before it is searched for garbage among them.
_NEW_OBJECTS = 10_000
# How much longer the main process waits before it kills the worker.
_RESERVE_SECONDS = 5


def main() -> None:
    """Serve until told to stop."""
    given = _arguments()
    try:
        context = InstanceContext.from_file(
            "server",
            given.config,
            given.environment,
            given.system_folders,
            ServerSchema(),
            given.name,
        )
        context = where_we_are(context)
        context.config["logging"]["level"] = given.log_level
        set_up_logging(context)
    except ConfigurationError as error:
        sys.exit(f"Error: {error}")
    _allow_many_files()
    Server(context, given.listener, given.metrics_listener, given.ready_file).run()


class Server(BaseApplication):
    """Gunicorn, set up for one server.

    Parameters
    ----------
    context : InstanceContext
    listener : socket
        Already listening.
    metrics_listener : socket, optional
        The same for the metrics.
    ready_file : Path, optional
        Holds the address while the server answers.
    """

    def __init__(
        self,
        context: InstanceContext,
        listener: socket.socket,
        metrics_listener: socket.socket | None,
        ready_file: Path | None,
    ) -> None:
        self._context = context
        self._listener, self._metrics_listener = listener, metrics_listener
        self._url = url(listener)
        self._ready_file = ready_file
        self._flask: Flask | None = None
        super().__init__()

    def load_config(self) -> None:
        """Set what differs from how gunicorn is by itself."""
        stop_seconds = self._context.config["stop_timeout"]
        proxies = self._context.config["trusted_proxies"]
        settings = {
            "bind": f"fd://{self._listener.detach()}",
            "workers": 1,
            "worker_class": Worker,
            "worker_connections": CONNECTIONS,
            "keepalive": KEEP_ALIVE_SECONDS,
            "graceful_timeout": stop_seconds + _RESERVE_SECONDS,
            "loglevel": "warning",
            "logger_class": _Log,
            # It would believe this machine; `proxies.py` alone decides whom to.
            "forwarded_allow_ips": "",
            "proc_name": "vserver-local",
            "post_fork": lambda _arbiter, worker: worker.set_up(stop_seconds, proxies),
            "post_worker_init": self._announce,
            "worker_exit": self._close_database,
            "on_exit": self._withdraw,
        }
        # Later versions of gunicorn open a control socket unless told otherwise.
        if "control_socket_disable" in self.cfg.settings:
            settings["control_socket_disable"] = True
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> "Flask":
        """Make the application, in the worker process: connections must not pass a fork."""
        from vantage6.server.instance import build

        self._flask = build(self._context, self._metrics_listener)
        self._flask.extensions["sockets"].start()
        self._flask.extensions["housekeeping"].start()
        self._flask.extensions["urgent_duties"].start()
        if broker := self._flask.extensions["broker"]:
            broker.start()
        # What is there now stays: it need not be searched for garbage again and again. Nor what
        # a request makes while it is answered, which leaves a few hundred objects behind.
        gc.freeze()
        gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
        return self._flask

    def stop(self) -> None:
        """End what would go on for long: sockets, and requests that wait."""
        if self._flask:
            self._flask.extensions["housekeeping"].close()
            self._flask.extensions["urgent_duties"].close()
            self._flask.extensions["events"].close()
            self._flask.extensions["sockets"].close()
            self._flask.extensions["notices"].close()
            if broker := self._flask.extensions["broker"]:
                broker.close()

    def _announce(self, worker: Worker) -> None:
        # A worker that replaces a crashed one is not news to whoever started us.
        if worker.age > 1:
            return
        if self._ready_file:
            unfinished = self._ready_file.with_name(f".{self._ready_file.name}.{os.getpid()}")
            unfinished.write_text(f"{self._url}\n", encoding="utf-8")
            unfinished.replace(self._ready_file)
        print(f"listening on {self._url}", flush=True)

    def _close_database(self, _arbiter: Arbiter, _worker: Worker) -> None:
        # With the last connection SQLite folds its log back into the one file.
        if self._flask:
            self._flask.extensions["database"].dispose()

    def _withdraw(self, _arbiter: Arbiter) -> None:
        if self._ready_file:
            self._ready_file.unlink(missing_ok=True)


class _Log(Logger):
    """Gunicorn's messages go where all others go, requests are not logged one by one."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="vserver-local start", description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--environment", required=True)
    parser.add_argument("--system", dest="system_folders", action="store_true")
    parser.add_argument("--log-level", required=True)
    parser.add_argument("--ready-file", type=Path)
    parser.add_argument("--listener", type=_inherited, required=True)
    parser.add_argument("--metrics-listener", type=_inherited)
    return parser.parse_args()


def _inherited(number: str) -> socket.socket:
    """A socket that was opened before this process became what it is."""
    return socket.socket(fileno=int(number))


def _allow_many_files() -> None:
    """Raise our limit of open files: each connection is one, or two as a websocket."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * CONNECTIONS
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
