"""The application: put together here, from a configuration, and started elsewhere."""

import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import flask_restful
from flask import Flask, Response
from flask_cors import CORS

from vantage6.server import configuration, pages, tracing
from vantage6.server.broker import Broker
from vantage6.server.database import Database, database_uri
from vantage6.server.first_run import load_secret
from vantage6.server.proxies import Proxies
from vantage6.server.resource import RESOURCES, check_admissions, flask_rule
from vantage6.server.resource.error import answer
from vantage6.server.resource.representation import as_json
from vantage6.server.service import blob, changes, retention, settling, token, upload
from vantage6.server.service.catch_up import CatchUp
from vantage6.server.service.event import EventHub
from vantage6.server.service.housekeeping import Housekeeping
from vantage6.server.service.login_limit import LoginLimit
from vantage6.server.service.mail import Mailer, MailSettings, send
from vantage6.server.service.mail_limit import MailLimit
from vantage6.server.service.notice import Notices
from vantage6.server.service.presence import BEAT_SECONDS, Presences
from vantage6.server.service.reset_token import ResetTokens
from vantage6.server.service.second_factor import SecondFactors
from vantage6.server.service.turns import Turns
from vantage6.server.store.interface import Store
from vantage6.server.store.payloads import Payloads
from vantage6.server.websocket import create_socket

SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

# What a page of another origin may read besides the body.
EXPOSED_HEADERS = ["Link", "total-count", "Retry-After", tracing.HEADER]
# How often the payload store is looked after.
_UNUSED_SECONDS, _UPLOADS_SECONDS, _ORPHANS_SECONDS = 20.0, 600.0, 6 * 3600.0
# How long a browser may remember what it may send.
PREFLIGHT_SECONDS = 600

# How often it is looked for tasks whose deadline has passed, and for what is kept no longer.
SETTLING_SECONDS, RETENTION_SECONDS = 1.0, 60.0


def create_app(config: Mapping[str, Any], *, data_dir: Path | None = None) -> Flask:
    """Make the application of one server.

    Parameters
    ----------
    config : mapping
        One environment of a server configuration.
    data_dir : Path, optional
        Where relative SQLite paths and payloads start, and where the secret for tokens is kept
        unless the configuration holds one. Without it that secret ends with the process.

    Returns
    -------
    Flask
        Its parts are in `extensions`: "database", "events", "login_limit", "second_factors",
        "notices", "turns", "housekeeping", "urgent_duties", "presences", "broker" (None without
        one), "payloads", "socketio" and "tracer".
    """
    check_admissions()
    app = Flask("vantage6.server", static_folder=None)
    app.config.update(
        API_PATH=config.get("api_path", "/api"),
        HAS_VPN_SERVER=bool(config.get("vpn_server")),
        MAX_LIST_SIZE=config.get("max_list_size", configuration.MAX_LIST_SIZE),
        MAX_CONTENT_LENGTH=config.get("max_body_size", configuration.MAX_BODY_SIZE),
        # Errors of the token library pass the error handler like all others.
        PROPAGATE_EXCEPTIONS=True,
    )
    _connect_database(app, config, data_dir)
    secret = _secret(config, data_dir)
    token.set_up(app, secret, in_tests=config.get("type") == "test")
    app.extensions["second_factors"] = SecondFactors(bool(config.get("two_factor_auth")), secret)
    app.extensions["notices"] = _notices(app, config, secret)
    app.extensions["turns"] = Turns()
    app.extensions["housekeeping"] = _housekeeping(app)
    _keep_payloads(app, config, data_dir)
    _join_replicas(app, config)
    app.extensions["login_limit"] = _login_limit(config.get("password_policy") or {})
    _register_routes(app)
    app.after_request(_add_security_headers)
    origins = list(config.get("cors_allowed_origins") or [])
    _allow_origins(app, origins)
    app.extensions["socketio"] = create_socket(app, origins)
    app.extensions["tracer"] = tracing.trace(app)
    proxies = Proxies(app.wsgi_app, config.get("trusted_proxies") or [])
    app.wsgi_app = proxies  # type: ignore[method-assign]
    return app


class _Api(flask_restful.Api):
    """Leaves errors to the one handler that all of the application has."""

    def handle_error(self, e: Exception) -> Response:
        return answer(e)

    def __init__(self, app: Flask, prefix: str) -> None:
        super().__init__(app, prefix=prefix)
        self.representations["application/json"] = as_json


def _register_routes(app: Flask) -> None:
    # An address with a slash too many is not there, rather than moved.
    app.url_map.merge_slashes = False
    app.register_error_handler(Exception, answer)
    api = _Api(app, prefix=app.config["API_PATH"])
    for resource in RESOURCES:
        api.add_resource(resource, flask_rule(resource.route), endpoint=resource.__name__)
    pages.register(app)


def _connect_database(app: Flask, config: Mapping[str, Any], data_dir: Path | None) -> None:
    database, events = Database(database_uri(config), data_dir), EventHub()
    events.attach(database.sessions)
    changes.watch(database.sessions)
    app.extensions["database"], app.extensions["events"] = database, events


def _keep_payloads(app: Flask, config: Mapping[str, Any], data_dir: Path | None) -> None:
    payloads = Payloads(config.get("payloads") or {}, data_dir or Path())
    app.extensions["payloads"] = payloads
    duties: dict[str, tuple[float, Callable[[Database, Store], object]]] = {
        "forgetting old uploads": (_UPLOADS_SECONDS, upload.expire),
        "deleting unused payloads": (_UNUSED_SECONDS, blob.delete_unused),
        "deleting lost payloads": (_ORPHANS_SECONDS, blob.delete_orphans),
    }
    for name, (seconds, duty) in duties.items():
        work = partial(duty, app.extensions["database"], payloads.store)
        app.extensions["housekeeping"].every(seconds, name, work)


def _join_replicas(app: Flask, config: Mapping[str, Any]) -> None:
    """Tell other processes of this server what happens here, and who is connected."""
    database, events = app.extensions["database"], app.extensions["events"]
    replica, uri = str(uuid4()), config.get("rabbitmq_uri")
    # Beside the other duties: whoever says too late that he is alive is taken for dead.
    urgent = app.extensions["urgent_duties"] = Housekeeping()
    presences = app.extensions["presences"] = Presences(database, events, replica)
    urgent.every(BEAT_SECONDS, "the sign of life", presences.beat)
    trusted = config.get("rabbitmq_ca_file")
    broker = Broker(uri, replica, events, ca_file=trusted) if uri else None
    app.extensions["broker"] = broker
    if broker:
        urgent.every(1, "what other replicas told", CatchUp(database, events, broker).do)


def _housekeeping(app: Flask) -> Housekeeping:
    housekeeping, database = Housekeeping(), app.extensions["database"]
    housekeeping.every(
        SETTLING_SECONDS, "settling of tasks", partial(settling.settle_all_due, database)
    )
    housekeeping.every(RETENTION_SECONDS, "retention", partial(retention.purge_some, database))
    return housekeeping


def _secret(config: Mapping[str, Any], data_dir: Path | None) -> str:
    if config.get("jwt_secret_key") or data_dir:
        return load_secret(dict(config), data_dir or Path())
    return secrets.token_urlsafe(48)


def _notices(app: Flask, config: Mapping[str, Any], secret: str) -> Notices:
    settings, block = MailSettings.from_config(config), config.get("smtp") or {}
    life = timedelta(
        minutes=block.get("email_token_validity_minutes", configuration.EMAIL_TOKEN_MINUTES)
    )
    overall = block.get("max_mails_per_hour", configuration.MAILS_PER_HOUR)
    return Notices(
        app.extensions["database"],
        ResetTokens(secret, life),
        # While one token is good another is not mailed.
        MailLimit(per_account=life, overall=overall),
        settings,
        Mailer(partial(send, settings)) if settings else None,
    )


def _login_limit(policy: Mapping[str, Any]) -> LoginLimit:
    default = LoginLimit()
    return LoginLimit(
        per_account=policy.get("max_failed_attempts", default.per_account),
        per_address=policy.get("max_failed_attempts_per_address", default.per_address),
        minutes=policy.get("inactivation_minutes", default.minutes),
    )


def _allow_origins(app: Flask, origins: list[str]) -> None:
    """Let the pages of other origins read answers; without any, browsers keep them from it."""
    if origins:
        CORS(app, origins=origins, expose_headers=EXPOSED_HEADERS, max_age=PREFLIGHT_SECONDS)


def _add_security_headers(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response
