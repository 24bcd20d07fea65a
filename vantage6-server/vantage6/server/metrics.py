"""What Prometheus may ask: how busy the server is, on an address that is not that of the API.

Whoever reads it learns how much goes on here, so it is off unless configured, and then on the
loopback address unless the operator chooses another.
"""

import logging
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import lru_cache
from http.server import ThreadingHTTPServer
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from flask import Flask
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import make_wsgi_app
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from vantage6.common import __version__
from vantage6.common.task_status import FINAL, TaskStatus
from vantage6.server.model import Result
from vantage6.server.service import audit
from vantage6.server.tracing import SOCKETS, Trace

log = logging.getLogger(__name__)

PATH = "/metrics"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# Others may be sent too, any number of them; each word would be a series of its own.
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_OPEN = tuple(status for status in TaskStatus if status not in FINAL)
# A reader that says nothing for so long is not waited for.
_PATIENCE_SECONDS = 10


def collect(app: Flask) -> CollectorRegistry:
    """Begin to count what an application does; what it finds can be read from the registry."""
    registry = CollectorRegistry()
    # When a series began is known to whoever reads them.
    disable_created_metrics()
    _count_requests(app, registry)
    registry.register(_State(app))
    ProcessCollector(registry=registry)
    return registry


def serve(registry: CollectorRegistry, listener: socket.socket) -> None:
    """Answer `GET /metrics` on a listener, in a thread of its own, as long as the process lives."""
    # The same socket as an object of this process, in which the library may have been replaced.
    own = socket.socket(fileno=listener.detach())
    server = _Server(own.getsockname()[:2], _Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = own
    server.server_name, server.server_port = own.getsockname()[:2]
    server.setup_environ()
    server.set_app(_only_metrics(make_wsgi_app(registry)))
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


def _count_requests(app: Flask, registry: CollectorRegistry) -> None:
    requests = Counter(
        "vantage6_requests",
        "Requests that were answered.",
        ("method", "route", "status"),
        registry=registry,
    )
    seconds = Histogram(
        "vantage6_request_seconds",
        "How long requests took, without the time that a caller asked to wait for.",
        ("method", "route"),
        buckets=BUCKETS,
        registry=registry,
    )

    def watch(trace: Trace) -> None:
        method = trace.method if trace.method in _METHODS else "other"
        is_socket = trace.path.startswith(SOCKETS)
        route = SOCKETS if is_socket else _template(trace.route)
        requests.labels(method, route, trace.status).inc()
        # One that became a socket lasts as long as it is open.
        if not is_socket:
            seconds.labels(method, route).observe(max(trace.seconds, 0.0))

    app.extensions["tracer"].watch(watch)


@lru_cache(maxsize=1000)
def _template(rule: str) -> str:
    """A route as the documentation writes it; what is no route has one name in all."""
    return re.sub(r"<[^<>]*:(\w+)>", r"<\1>", rule) or "none"


class _State(Collector):
    """What can be seen at any moment, looked up when somebody asks."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def collect(self) -> Iterator[Metric]:
        """The metrics."""
        yield InfoMetricFamily("vantage6_server", "The server.", {"version": __version__})
        yield _gauge(
            "vantage6_sockets",
            "Connected sockets of those who are logged in.",
            "kind",
            self._app.extensions["sockets"].count_by_kind(),
        )
        yield GaugeMetricFamily(
            "vantage6_waiting_requests",
            "Requests that wait for a task.",
            self._app.extensions["events"].count_waiting(),
        )
        yield from self._broker()
        yield from self._database()
        yield _audit_lines()

    def _broker(self) -> Iterator[Metric]:
        broker = self._app.extensions["broker"]
        if broker:
            yield GaugeMetricFamily(
                "vantage6_broker_up", "Whether replicas hear of one another.", int(broker.is_up)
            )
            metric = CounterMetricFamily(
                "vantage6_broker_events",
                "Events between replicas; those that were dropped are found in the database.",
                labels=("direction",),
            )
            for direction, number in asdict(broker.counts).items():
                metric.add_metric((direction,), number)
            yield metric

    def _database(self) -> Iterator[Metric]:
        database = self._app.extensions["database"]
        pool = database.engine.pool
        if isinstance(pool, QueuePool):
            yield _gauge(
                "vantage6_database_connections",
                "Connections to the database.",
                "state",
                {"used": pool.checkedout(), "idle": pool.checkedin()},
            )
        try:
            with database.reading() as session:
                runs = {row.status: row.runs for row in session.execute(_OPEN_RUNS)}
        except SQLAlchemyError:
            # All others are worth reading all the more.
            log.exception("The open runs could not be counted")
            return
        counts = {str(status): runs.get(status, 0) for status in _OPEN}
        yield _gauge("vantage6_open_runs", "Runs that have not ended.", "status", counts)


# By what the index of open results is made of, so that those that ended are not looked at.
_OPEN_RUNS = (
    select(Result.status, func.count().label("runs"))
    .where(Result.finished_at.is_(None))
    .group_by(Result.status)
)


def _audit_lines() -> Metric:
    metric = CounterMetricFamily(
        "vantage6_audit_lines",
        "Lines of the audit trail, such as failed log-ins.",
        labels=("action", "outcome", "kind"),
    )
    for labels, number in audit.counts().items():
        metric.add_metric(labels, number)
    return metric


def _gauge(name: str, text: str, label: str, values: dict[str, int]) -> Metric:
    metric = GaugeMetricFamily(name, text, labels=(label,))
    for value, number in values.items():
        metric.add_metric((value,), number)
    return metric


WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def _only_metrics(wsgi: WSGI) -> WSGI:
    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == PATH:
            return wsgi(environ, start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [f"Look at {PATH}\n".encode()]

    return answer


class _Server(ThreadingHTTPServer, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = _PATIENCE_SECONDS

    def log_message(self, format: str, *args: Any) -> None:
        """Note a request in the log like all others, not on the console."""
        log.debug(format, *args)
