"""Puts a node together from its configuration."""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from vantage6.common import __version__
from vantage6.common.client.connection import Connection
from vantage6.common.config import warnings_about_keys
from vantage6.common.context import InstanceContext
from vantage6.common.encryption import DummyCryptor, RSACryptor, load_cryptor
from vantage6.common.exceptions import ConfigurationError
from vantage6.common.files import is_open_to_all
from vantage6.node.audit import AuditLog
from vantage6.node.audit.runs import RunAudit
from vantage6.node.configuration import NodeSchema
from vantage6.node.daemon import Daemon, Listener
from vantage6.node.databases import Databases
from vantage6.node.image.signature import SignatureCheck, fetch_signatures, load_public_key
from vantage6.node.image.store import ImageStore
from vantage6.node.instance import Instance
from vantage6.node.journal import Journal
from vantage6.node.keyring import READS, envelopes_of, publish_capabilities
from vantage6.node.outbound.plan import plan
from vantage6.node.place import Place
from vantage6.node.policy.configured import check_openness, fingerprint, policy
from vantage6.node.proxy import Proxy
from vantage6.node.runner import settings as container
from vantage6.node.runner.docker import DockerRunner
from vantage6.node.server import Identity, Server
from vantage6.node.settings import LogPolicy, Settings
from vantage6.node.socket import News, NoListener, SocketListener
from vantage6.node.watched import WatchedDatabases
from vantage6.node.work import RunWork
from vantage6.node.workers import ThreadWorkers
from vantage6.node.workspace import Workspace

DEFAULT_KEY = "private_key.pem"

log = logging.getLogger(__name__)


def build(
    context: InstanceContext,
    *,
    dockerized: bool = False,
    kill_on_exit: bool = False,
    replace_public_key: bool = False,
    on_ready: Callable[[], None] = lambda: None,
    take_over: bool = False,
) -> Daemon:
    """The node that a configuration describes, ready to run.

    Parameters
    ----------
    context : InstanceContext
    dockerized : bool
        Whether we run in a container ourselves.
    kill_on_exit : bool
    replace_public_key : bool
        Whether another public key of our organization at the server is replaced by ours.
    on_ready : callable
        Called when the server knows the node, and it takes tasks.
    take_over : bool
        Whether runs that another process of this node has claimed are taken from it.

    Raises
    ------
    ConfigurationError
        When the node cannot run like this.
    """
    config = context.config
    databases = WatchedDatabases(context, dockerized)
    check_openness(config, context.environment)
    _warn(config, databases)
    _warn_of_readers(context.config_file)
    cryptor = load_key(context)
    instance = Instance(context.data_dir)
    identity = container.Identity(context.name, context.scope, instance.id)
    server, takes = connect(config, instance.id), config["encryption"]["envelope"]
    images = ImageStore.of(context.data_dir)
    signatures = signature_check(config, context.data_dir, images)
    runner = DockerRunner(
        identity,
        config["images"]["relay"],
        context.data_dir / "sandboxes",
        registries=config["docker_registries"],
        image_pull=config["image_pull"],
        image_store=images,
        in_container=dockerized,
    )
    places: int = config["max_parallel_runs"]
    calls = ThreadWorkers("call", 2 * places + 4)

    def make_work(who: Identity, journal: Journal) -> RunWork:
        audit = RunAudit(open_audit(context, who))
        envelopes = envelopes_of(who, server, cryptor, takes, context.data_dir, journal)
        workspace = Workspace(Path(config["task_dir"] or context.data_dir))
        return RunWork(
            server,
            runner,
            Proxy(server, envelopes, audit, workspace.root, config["largest_answer"]),
            workspace,
            journal,
            envelopes,
            replace(
                run_settings(config, identity, who.collaboration_id, databases),
                signatures=signatures,
            ),
            calls,
            audit,
        )

    def agree(who: Identity) -> None:
        agree_on_encryption(who, config["encryption"]["enabled"])
        if isinstance(cryptor, RSACryptor):
            agree_on_key(who, cryptor, server, replace_public_key)
            publish_capabilities(who, cryptor, server, READS[takes])
        server.keep_claims(take_over=take_over)

    place = Place(instance, [server.url, config["api_key"]], agree, make_work)
    return Daemon(
        server,
        runner,
        place.recall,
        place.settle,
        listener(config, server),
        # Ends are collected and delivered beside the starts.
        ThreadWorkers("worker", 2 * places),
        calls,
        places=places,
        kill_on_exit=kill_on_exit,
        on_ready=on_ready,
    )


def open_audit(context: InstanceContext, who: Identity) -> AuditLog:
    """The audit log, with a line that says which node begins, under which policy.

    Raises
    ------
    AuditUnavailable
        When it cannot be written.
    """
    audit = AuditLog(context.data_dir)
    audit.append(
        "node started",
        version=__version__,
        node_id=who.node_id,
        organization_id=who.organization_id,
        collaboration_id=who.collaboration_id,
        policy=fingerprint(context.config),
    )
    audit.tell_head()
    return audit


def connect(config: Mapping[str, Any], claim: str = "") -> Server:
    """The server that the configuration names, over the way that it names.

    Parameters
    ----------
    config : mapping
    claim : str
        By which name this process claims runs; none for one that runs nothing.
    """
    return Server(
        _server_url(config),
        config["api_path"],
        config["api_key"],
        connection=connection_of(config),
        claim=claim,
    )


def connection_of(config: Mapping[str, Any]) -> Connection:
    """The way to the server."""
    way = config["connection"]
    return Connection(way["proxy"], Path(way["ca_file"]).expanduser() if way["ca_file"] else None)


def listener(
    config: Mapping[str, Any], server: Server
) -> Callable[[Callable[[News], None]], Listener]:
    """What makes the listener for events of the server."""
    if not config["connection"]["socket"]:
        return lambda tell: NoListener()
    return lambda tell: SocketListener(server, tell)


def run_settings(
    config: Mapping[str, Any],
    identity: container.Identity,
    collaboration_id: int,
    databases: Databases,
) -> Settings:
    """What the owner configured about runs."""
    return Settings(
        identity=identity,
        collaboration_id=collaboration_id,
        policy=policy(config),
        databases=databases,
        logs=LogPolicy(share=config["algorithm_logs"]),
        user=(os.getuid(), os.getgid()),
        kept_free=config["keep_free"],
        services=config["docker_services"] or {},
    )


def signature_check(
    config: Mapping[str, Any], folder: Path, store: ImageStore
) -> SignatureCheck | None:
    """What the owner requires of images besides their name.

    Raises
    ------
    ConfigurationError
        When a key cannot be used.
    """
    paths = [folder / Path(name).expanduser() for name in config["required_signatures"]]
    if not paths:
        return None
    log_ins = {entry["registry"]: entry for entry in config["docker_registries"]}
    keys = [load_public_key(path) for path in paths]
    return SignatureCheck(keys, store, partial(fetch_signatures, log_ins))


def load_key(context: InstanceContext) -> RSACryptor | DummyCryptor:
    """The cryptor that the configuration asks for.

    Raises
    ------
    ConfigurationError
        When the key file is not there.
    EncryptionError
        When it holds no key.
    """
    if not context.config["encryption"]["enabled"]:
        return DummyCryptor()
    path = key_path(context, os.environ.get("PRIVATE_KEY"))
    try:
        cryptor = load_cryptor(path)
    except OSError as error:
        raise ConfigurationError(
            f"The private key {path} cannot be read: {error.strerror}"
        ) from error
    _warn_of_readers(path)
    return cryptor


def key_path(context: InstanceContext, name: str | None = None) -> Path:
    """Where a private key is: that of a name, else the configured one, else the usual one."""
    name = name or context.config["encryption"]["private_key"] or DEFAULT_KEY
    return context.data_dir / Path(name).expanduser()


def agree_on_encryption(who: Identity, enabled: bool) -> None:
    """Raise ConfigurationError unless node and collaboration both encrypt, or both do not."""
    if who.encrypted != enabled:
        theirs, ours = ("is", "off") if who.encrypted else ("is not", "on")
        raise ConfigurationError(
            f"Collaboration {who.collaboration_id} {theirs} encrypted, but this node has its "
            f"encryption {ours}: set `encryption.enabled` to {str(who.encrypted).lower()}"
        )


def agree_on_key(who: Identity, cryptor: RSACryptor, server: Server, replace: bool) -> None:
    """Make our public key known where there is none; replace another one only on request.

    Raises
    ------
    ConfigurationError
        When the server has another key of our organization.
    """
    if cryptor.verify_public_key(who.public_key):
        return
    if who.public_key and not replace:
        raise ConfigurationError(
            f"The server knows {who.organization_name!r} with another public key than that of "
            "this node's private key: use the key that the organization's other nodes and "
            "users have, or replace it for all of them with --replace-public-key"
        )
    log.warning("The server now has the public key of this node for its organization")
    server.set_public_key(who.organization_id, cryptor.public_key_str)


def _server_url(config: Mapping[str, Any]) -> str:
    url = config["server_url"].rstrip("/")
    return f"{url}:{config['port']}" if config["port"] else url


def _warn_of_readers(path: Path) -> None:
    """Say so when every user of this machine can read a secret."""
    if is_open_to_all(path):
        log.warning("%s holds a secret and everybody here can read it: chmod 600 it", path)


def _warn(config: Mapping[str, Any], databases: Databases) -> None:
    """Say at the start what will otherwise be a surprise later."""
    owners = policy(config)
    if owners.refuses_all:
        log.warning("No image is allowed, so every task will be refused: see `allowed_images`")
    if owners.refuses_all_users:
        log.warning(
            "Every task will be refused: `allowed_users` needs `trust_server_identity`, since "
            "only the server knows the users"
        )
    faults = (database.fault() for database in databases)
    for fault in (*filter(None, faults), *plan(databases, {}, ()).faults):
        log.warning(fault)
    for warning in warnings_about_keys(config, NodeSchema()):
        log.warning(warning)
