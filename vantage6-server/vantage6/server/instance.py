"""What the commands do with one server: prepare its database, fill it, serve it."""

import logging
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import URL

from vantage6.common import __version__
from vantage6.common.config import warnings_about_keys
from vantage6.common.context import InstanceContext
from vantage6.common.exceptions import ConfigurationError
from vantage6.common.files import write_private_file
from vantage6.server import first_run, migration
from vantage6.server.configuration import (
    ServerSchema,
    has_predictable_secret,
)
from vantage6.server.database import complete_uri, database_uri
from vantage6.server.outage import set_up_logging
from vantage6.server.service import audit, presence
from vantage6.server.service.fixture import drop_all, insert_fixture, read_fixture
from vantage6.server.store.payloads import FOLDER, make_store

if TYPE_CHECKING:
    import socket

    from flask import Flask

log = logging.getLogger(__name__)


def database_url(context: InstanceContext) -> URL:
    """Where the database of a server is, with a relative SQLite path resolved."""
    return complete_uri(database_uri(context.config), context.data_dir)


def audit_file(context: InstanceContext) -> Path:
    """The audit trail of a server, beside its log and under the same name."""
    return context.log_file.with_suffix(".audit.log")


def start(
    context: InstanceContext,
    *,
    ip: str | None = None,
    port: int | None = None,
    ready_file: Path | None = None,
    root_password_file: Path | None = None,
) -> None:
    """Prepare a server and serve it until it is told to stop; does not return.

    Parameters
    ----------
    context : InstanceContext
    ip, port : optional
        Where to listen, instead of where the configuration says; port 0 picks a free one.
    ready_file : Path, optional
        Where to keep the address while requests are answered.
    root_password_file : Path, optional
        Where to leave the first password of `root`, instead of showing it.
    """
    from vantage6.server.broker import check_authorities
    from vantage6.server.serve import bind, serve, url

    set_up_logging(context)
    # Here already, where a file that cannot be written is told of in one sentence.
    audit.keep_in(audit_file(context))
    if ready_file:
        if not ready_file.parent.is_dir():
            raise ConfigurationError(f"There is no folder {ready_file.parent}")
        # One that an earlier run left would be taken for ours.
        ready_file.unlink(missing_ok=True)
    listener = bind(ip or context.config["ip"], context.config["port"] if port is None else port)
    metrics = context.config["metrics"]
    metrics_listener = bind(metrics["ip"], metrics["port"]) if metrics else None
    # The secret is made, or found to be unfit, before anything is changed.
    first_run.load_secret(context.config, context.data_dir)
    make_store(application_config(context)["payloads"], context.data_dir).check()
    if context.config["rabbitmq_ca_file"]:
        check_authorities(context.config["rabbitmq_ca_file"])
    prepared = first_run.prepare(
        database_url(context),
        context.config["type"],
        after=partial(presence.begin, alone=not context.config.get("rabbitmq_uri")),
    )
    _log_start(context, prepared)
    hand_out_root_password(prepared, root_password_file)
    if metrics_listener:
        log.info("Metrics on %s/metrics", url(metrics_listener))
    serve(context, listener, metrics_listener=metrics_listener, ready_file=ready_file)


def build(context: InstanceContext, metrics_listener: "socket.socket | None" = None) -> "Flask":
    """Make the application of a server, in the process that serves it."""
    from vantage6.server.app import create_app

    set_up_logging(context)
    audit.keep_in(audit_file(context))
    app = create_app(application_config(context))
    if metrics_listener:
        from vantage6.server import metrics

        metrics.serve(metrics.collect(app), metrics_listener)
    return app


def application_config(context: InstanceContext) -> dict[str, Any]:
    """What the application is made from: the configuration with nothing left open."""
    return {
        **context.config,
        "uri": database_url(context).render_as_string(hide_password=False),
        "jwt_secret_key": first_run.load_secret(context.config, context.data_dir),
        "payloads": {
            **context.config["payloads"],
            "folder": str(context.data_dir / (context.config["payloads"]["folder"] or FOLDER)),
        },
    }


def import_file(
    context: InstanceContext,
    path: Path,
    *,
    drop: bool = False,
    root_password_file: Path | None = None,
) -> Counter[str]:
    """Add everything in an import file to the database of a server: all of it, or nothing.

    Parameters
    ----------
    context : InstanceContext
    path : Path
    drop : bool
        Whether to drop all tables first; the configuration must allow it.
    root_password_file : Path, optional
        Where to leave the first password of `root`, instead of showing it.

    Returns
    -------
    Counter
        How many there were of each kind.

    Raises
    ------
    ConfigurationError
        With the entry at fault.
    """
    if drop and not context.config["allow_drop_all"]:
        raise ConfigurationError(
            f"{context.config_file}, environment {context.environment!r}, does not allow to "
            "drop all tables: allow_drop_all is false"
        )
    fixture = read_fixture(path)
    imported: Counter[str] = Counter()
    try:
        prepared = first_run.prepare(
            database_url(context),
            context.config["type"],
            before=drop_all if drop else None,
            after=lambda session: imported.update(insert_fixture(session, fixture)),
        )
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: nothing was imported: {error}") from error
    hand_out_root_password(prepared, root_password_file)
    audit.keep_in(audit_file(context))
    audit.by_operator()
    audit.record("import", "success", file=str(path), dropped_all=drop, imported=imported)
    return imported


def migrate(context: InstanceContext, *, check: bool = False) -> list[str]:
    """Bring the database of a server to the newest revision.

    Parameters
    ----------
    context : InstanceContext
    check : bool
        Change nothing.

    Returns
    -------
    list of str
        The revisions that were applied, or would be.
    """
    with migration.exclusive(database_url(context)) as connection:
        return migration.pending(connection) if check else migration.upgrade(connection)


def hand_out_root_password(prepared: first_run.Prepared, file: Path | None = None) -> None:
    """Show the one-time password of `root`, if there is one, or leave it in a file.

    In a container what is shown would stay in its log.
    """
    if prepared.root_password and file:
        try:
            write_private_file(file, f"{prepared.root_password}\n".encode())
            return
        except OSError as error:
            log.warning("%s cannot be written: %s", file, error.strerror)
    if prepared.root_password:
        show_root_password(prepared.root_password)


def show_root_password(password: str) -> None:
    """Print a password where only whoever started the command sees it."""
    print(
        f"The user {first_run.ROOT_NAME!r} was made. Its password is shown only now: {password}",
        file=sys.stderr,
        flush=True,
    )


def _log_start(context: InstanceContext, prepared: first_run.Prepared) -> None:
    log.info("vantage6 server %s on Python %s", __version__, sys.version.split()[0])
    log.info("Configuration %s, environment %s", context.config_file, context.environment)
    log.info("Log file %s, audit file %s", context.log_file, audit_file(context))
    for revision in prepared.revisions:
        log.info("The database was migrated to revision %s", revision)
    _warn_of_keys(context)
    _warn_of_replicas(context)
    if context.config.get("smtp") is None:
        log.warning(
            "No mail can be sent, so nobody gets a lost password replaced by mail: the "
            "configuration has no smtp block"
        )
    if has_predictable_secret(context.config):
        log.warning(
            "jwt_secret_key was made of the clock and the machine and can be guessed; leave it "
            "out of the configuration to get a random one"
        )


def _warn_of_replicas(context: InstanceContext) -> None:
    if not context.config.get("rabbitmq_uri"):
        return
    if database_url(context).get_backend_name() == "sqlite":
        log.warning("Replicas on several machines need PostgreSQL: SQLite is a file on one of them")
    if not context.config.get("jwt_secret_key"):
        log.warning(
            "Replicas must share the secret that tokens are signed with: set jwt_secret_key in the "
            "configuration of all, unless they have one data folder, %s",
            context.data_dir,
        )


def _warn_of_keys(context: InstanceContext) -> None:
    for warning in warnings_about_keys(context.config, ServerSchema()):
        log.warning(warning)
