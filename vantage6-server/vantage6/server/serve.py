"""Serve the application and its sockets: gunicorn with one worker process and many threads.

One process, because a client that polls must meet the server it first spoke to. A connected
websocket and a waiting long-poll keep a thread each; idle keep-alive connections keep none.
"""

import ctypes
import errno
import logging
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from vantage6.common.exceptions import ConfigurationError
from vantage6.server.patience import SMALL_BODY, Body, Patience, say_goodbye

log = logging.getLogger(__name__)

THREADS = 2000
CONNECTIONS = 4000
# From here on those are closed that keep a connection without using it.
CROWD = 3500
KEEP_ALIVE_SECONDS = 75
# How long a stopping worker lets others finish, and how long it may take itself.
STOP_SECONDS = 1
KILL_SECONDS = 4
_PR_SET_PDEATHSIG = 1

_WHY_NOT = {
    errno.EADDRINUSE: "another program listens there",
    errno.EACCES: "this port needs more rights",
    errno.EADDRNOTAVAIL: "this machine does not have that address",
}


def bind(ip: str, port: int) -> socket.socket:
    """Listen on an address; port 0 picks a free one.

    Raises
    ------
    ConfigurationError
        One sentence that says why not.
    """
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    try:
        address = socket.getaddrinfo(ip, port, family, socket.SOCK_STREAM)[0][4]
        return socket.create_server(address, family=family, backlog=2048)
    except OSError as error:
        reason = _WHY_NOT.get(error.errno or 0, error.strerror)
        raise ConfigurationError(f"Cannot listen on {ip} port {port}: {reason}") from error


def url(listener: socket.socket) -> str:
    """The address of a listener, for a browser or a client."""
    ip, port = listener.getsockname()[:2]
    return f"http://[{ip}]:{port}" if ":" in ip else f"http://{ip}:{port}"


def serve(
    build: Callable[[], Flask], listener: socket.socket, ready_file: Path | None = None
) -> None:
    """Serve until SIGTERM or SIGINT; does not return, the process exits.

    Prints the address once requests are answered.

    Parameters
    ----------
    build : callable
        Makes the application; called in the worker process, so that neither connections nor
        threads are carried over a fork.
    listener : socket
        Already bound and listening; see `bind`.
    ready_file : Path, optional
        Holds the address while the server answers.
    """
    _allow_many_files()
    _Server(build, listener, ready_file).run()


def _end_with_parent() -> None:
    """Have the kernel end this process when its parent is killed.

    It would notice by itself after a second, in which the port is taken for a new start.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class _Log(Logger):
    """Gunicorn's messages go where all others go, requests are not logged one by one."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class _Worker(ThreadWorker):
    """A threaded worker that ends its sockets and long-polls when it is told to stop."""

    def init_process(self) -> None:
        """Begin in the new process."""
        _end_with_parent()
        # The setting is also how long the main process waits for this one.
        self.cfg.set("graceful_timeout", STOP_SECONDS)
        self._patience = Patience()
        self._patience.start()
        super().init_process()

    def handle(self, conn: Any) -> Any:
        """Answer a request, if it comes within a reasonable time."""
        self._patience.begin(conn.sock)
        try:
            goes_on = super().handle(conn)
        finally:
            self._patience.end(conn.sock)
        if not goes_on:
            # Here, since the thread that closes it accepts all others and must not wait.
            say_goodbye(conn.sock)
        return goes_on

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer a request of which the head is there."""
        length = _length(req)
        if 0 < length <= SMALL_BODY:
            req.body = Body(req.body, length, self._patience, conn.sock)
        else:
            self._patience.end(conn.sock)
        return super().handle_request(req, conn)

    def murder_pending(self) -> None:
        """Close connections on which nobody ever said anything; all of them in a crowd."""
        if self.nr_conns >= CROWD:
            for conn in self.pending_conns:
                conn.timeout = 0.0
        super().murder_pending()

    def murder_keepalived(self, force: bool = False) -> None:
        """Close connections that are not used any more; all of them in a crowd."""
        super().murder_keepalived(force or self.nr_conns >= CROWD)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.alive:
            # In a thread, since the signal may have interrupted the holder of a lock.
            threading.Thread(target=self.app.stop, daemon=True).start()
        super().handle_exit(sig, frame)

    # Ctrl-C reaches this process too; it is to stop as cleanly as with SIGTERM.
    handle_quit = handle_exit


def _length(req: Any) -> int:
    """How long the body of a request says to be; 0 when it does not say."""
    # What is no number has been refused before.
    return next((int(value) for name, value in req.headers if name == "CONTENT-LENGTH"), 0)


class _Server(BaseApplication):
    def __init__(
        self, build: Callable[[], Flask], listener: socket.socket, ready_file: Path | None
    ) -> None:
        self._build = build
        self._listener = listener
        self._url = url(listener)
        self._ready_file = ready_file
        self._flask: Flask | None = None
        super().__init__()

    def load_config(self) -> None:
        settings = {
            "bind": f"fd://{self._listener.detach()}",
            "workers": 1,
            "worker_class": _Worker,
            "threads": THREADS,
            "worker_connections": CONNECTIONS,
            "keepalive": KEEP_ALIVE_SECONDS,
            "graceful_timeout": KILL_SECONDS,
            "loglevel": "warning",
            "logger_class": _Log,
            "proc_name": "vserver-local",
            "post_worker_init": self._announce,
            "worker_exit": self._close_database,
            "on_exit": self._withdraw,
        }
        # Later versions of gunicorn open a control socket unless told otherwise.
        if "control_socket_disable" in self.cfg.settings:
            settings["control_socket_disable"] = True
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Make the application, in the worker process."""
        self._flask = self._build()
        self._flask.extensions["sockets"].start()
        return self._flask

    def stop(self) -> None:
        """End what would keep threads busy: sockets and long-polls."""
        if self._flask:
            self._flask.extensions["events"].close()
            self._flask.extensions["sockets"].close()

    def _announce(self, worker: ThreadWorker) -> None:
        # A worker that replaces a crashed one is not news to whoever started us.
        if worker.age > 1:
            return
        if self._ready_file:
            unfinished = self._ready_file.with_name(f".{self._ready_file.name}.{os.getpid()}")
            unfinished.write_text(f"{self._url}\n", encoding="utf-8")
            unfinished.replace(self._ready_file)
        print(f"listening on {self._url}", flush=True)

    def _close_database(self, _arbiter: Arbiter, _worker: ThreadWorker) -> None:
        # With the last connection SQLite folds its log back into the one file.
        if self._flask:
            self._flask.extensions["database"].dispose()

    def _withdraw(self, _arbiter: Arbiter) -> None:
        if self._ready_file:
            self._ready_file.unlink(missing_ok=True)


def _allow_many_files() -> None:
    """Raise our limit of open files: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * CONNECTIONS
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
