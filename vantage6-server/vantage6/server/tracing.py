"""Follow each request: an id for it, in all that is logged meanwhile and in its answer.

This goes around the whole application, sockets included, so that nothing is answered without.
"""

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from flask import Flask, request

from vantage6.common.log import request_id

log = logging.getLogger(__name__)

HEADER = "X-Request-ID"
# What a proxy may call a request: enough for the usual kinds, harmless in any log.
_GOOD_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
# Requests that we work on for longer than this are told of.
SLOW_SECONDS = 5.0
# Where the library of the sockets answers, before any route is looked for.
SOCKETS = "/socket.io"

WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass
class Trace:
    """One request.

    Attributes
    ----------
    method : str
    path : str
        Without the question behind it, which may hold more than a log should.
    route : str
        The template of the path, of which there are few; empty when there is no such route.
    status : int
        Of the answer; 0 as long as there is none.
    seconds : float
        How long we took, without the time that the caller asked us to wait.
    """

    method: str
    path: str
    route: str = ""
    status: int = 0
    waited: float = 0.0
    seconds: float = 0.0
    _start: float = field(default_factory=time.perf_counter)

    def end(self) -> None:
        """The request is answered."""
        self.seconds = time.perf_counter() - self._start - self.waited


Watcher = Callable[[Trace], None]

_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def trace(app: Flask) -> "Tracer":
    """Follow all requests of an application; to be called after all else is around it.

    But before `Proxies`, which leaves an id in requests that come from a proxy of our own, and
    in no others.
    """
    app.before_request(_note_route)
    tracer = Tracer(app.wsgi_app)
    app.wsgi_app = tracer  # type: ignore[method-assign]
    return tracer


def note_wait(seconds: float) -> None:
    """The current request slept this long because its caller asked for it."""
    current = _current.get()
    if current:
        current.waited += seconds


class Tracer:
    """Goes around an application; in its `extensions` under "tracer"."""

    def __init__(self, wsgi: WSGI) -> None:
        self._wsgi = wsgi
        self._watchers: list[Watcher] = [_log_request]

    def watch(self, watcher: Watcher) -> None:
        """Tell `watcher` of every request, at its end."""
        self._watchers.append(watcher)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        given = environ.get("HTTP_X_REQUEST_ID", "")
        id_ = given if _GOOD_ID.fullmatch(given) else secrets.token_hex(8)
        current = Trace(environ.get("REQUEST_METHOD", ""), environ.get("PATH_INFO", ""))
        tokens = request_id.set(id_), _current.set(current)

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            current.status = int(status.split(maxsplit=1)[0])
            return start_response(status, [*headers, (HEADER, id_)], *rest)

        try:
            return self._wsgi(environ, start)
        except BaseException:
            current.status = 500
            raise
        finally:
            current.end()
            for watch in self._watchers:
                watch(current)
            # The thread goes on to other requests.
            request_id.reset(tokens[0])
            _current.reset(tokens[1])


def _note_route() -> None:
    current = _current.get()
    if current and request.url_rule:
        current.route = request.url_rule.rule


def _log_request(ended: Trace) -> None:
    is_socket = ended.path.startswith(SOCKETS)
    is_slow = ended.seconds >= SLOW_SECONDS and not is_socket
    level = logging.WARNING if is_slow else logging.DEBUG
    if not log.isEnabledFor(level):
        return
    # Quoted, since a path may hold what ends a line.
    path = quote(ended.path)
    milliseconds = round(ended.seconds * 1000, 1)
    fields = {
        "method": ended.method,
        "path": path,
        "status": ended.status,
        "milliseconds": milliseconds,
    }
    words = "%s %s: %s after %s ms" + (", which is slow" if is_slow else "")
    log.log(level, words, *fields.values(), extra={"fields": fields})
