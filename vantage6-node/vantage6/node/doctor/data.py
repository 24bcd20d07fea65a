"""What the node works with: databases and the key of the organization."""

import socket

from vantage6.common.context import InstanceContext
from vantage6.common.encryption import RSACryptor
from vantage6.common.exceptions import ConfigurationError, EncryptionError
from vantage6.node import assembly
from vantage6.node.databases import DEFAULT_LABEL, Database, Databases, is_readable_by
from vantage6.node.destinations import NoDestination, servers
from vantage6.node.doctor.findings import Finding, Findings, note, well, wrong
from vantage6.node.doctor.house import readers
from vantage6.node.doctor.ways import is_service

_SECONDS = 5


def databases(context: InstanceContext) -> Findings:
    """Every database: whether an algorithm will be able to use it."""
    found = Databases(context.config["databases"], context.config["database_types"])
    for database in found:
        yield from _server(context, database) if database.path is None else [_file(database)]
    if DEFAULT_LABEL not in found.current():
        yield note(
            "databases",
            f"None has the label {DEFAULT_LABEL!r}, which tasks get that name none",
            f"Call one of them {DEFAULT_LABEL!r}",
        )


def _file(database: Database) -> Finding:
    subject = _subject(database)
    assert database.path is not None
    fault = database.fault()
    if fault:
        return wrong(subject, fault, f"Put it at {database.path}, or correct its path")
    if not is_readable_by(database.path, ""):
        return wrong(
            subject,
            f"{database.path} cannot be read by algorithms: they run without the rights of root",
            f"chmod o+r {database.path}, with o+x for folders",
        )
    return well(subject, f"{database.path} can be read")


def _server(context: InstanceContext, database: Database) -> Findings:
    subject = _subject(database)
    try:
        addresses = servers(database.uri)
    except NoDestination as error:
        yield wrong(
            subject,
            f"It is neither a file that is there, nor a server: {error}",
            "Correct its path or address",
        )
        return
    for host, port in addresses:
        if is_service(context, host):
            yield well(subject, f"{host}, port {port}, is a container: see service {host}")
        else:
            yield _answer(subject, host, port)


def _answer(subject: str, host: str, port: int) -> Finding:
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
    except OSError as error:
        return wrong(
            subject,
            f"{host}, port {port}, does not answer: {error.strerror or error}",
            "See that the server runs, and that this machine may connect to it",
        )
    return well(subject, f"{host}, port {port}, answers")


def _subject(database: Database) -> str:
    return f"database {database.label}"


def private_key(context: InstanceContext) -> Findings:
    """The key of the organization, where payloads are encrypted."""
    subject = "private key"
    try:
        cryptor = assembly.load_key(context)
    except (ConfigurationError, EncryptionError) as error:
        yield wrong(
            subject,
            str(error),
            "Name the file in `encryption.private_key`, or make a key: `vnode create-private-key`",
        )
        return
    if not isinstance(cryptor, RSACryptor):
        yield well(subject, "None is needed: `encryption.enabled` is false")
        return
    yield well(subject, f"An RSA key of {cryptor.private_key.key_size} bits")
    yield from readers(subject, assembly.key_path(context))
