"""The server: the way to it, its clock, and what it and the node agree on."""

import time
from email.utils import parsedate_to_datetime

from vantage6.common.container.settings import HOST_NAME
from vantage6.common.context import InstanceContext
from vantage6.common.encryption import RSACryptor
from vantage6.common.exceptions import (
    AuthenticationException,
    ConfigurationError,
    EncryptionError,
    ServerError,
    ServerUnreachable,
)
from vantage6.node import assembly
from vantage6.node.doctor.findings import Finding, Findings, note, well, wrong
from vantage6.node.server import ApiKeyRefused, Identity, Server
from vantage6.node.visibility import is_known_inside_only

# Tokens are dated; beyond this they come from the future, or are over.
_CLOCK_WRONG = 60.0
_CLOCK_NOTE = 5.0


def server(context: InstanceContext) -> Findings:
    """From the way to the server to what it knows of us."""
    subject = "server"
    try:
        found = assembly.connect(context.config)
    except ConfigurationError as error:
        yield wrong(subject, str(error), "Correct `connection.ca_file`")
        return
    try:
        if is_known_inside_only(context.config):
            yield note(
                subject,
                f"{HOST_NAME} is a name that containers know; it cannot be asked from here",
                "`vnode list` tells whether the server sees the node that runs",
            )
        else:
            yield from _reach(context, found)
    finally:
        found.close()


def _reach(context: InstanceContext, found: Server) -> Findings:
    try:
        version, date = found.greet()
    except (ServerUnreachable, ServerError) as error:
        yield wrong("server", str(error), _remedy_of_the_way(context, str(error)))
        return
    yield well("server", f"{found.url} answers and has version {version}")
    yield _clock(date)
    yield from _log_in(context, found)


def _remedy_of_the_way(context: InstanceContext, reason: str) -> str:
    if "certificate" in reason:
        return "Name the authority of the server's certificate in `connection.ca_file`"
    if context.config["connection"]["proxy"]:
        return "See that the proxy in `connection.proxy` lets this machine reach the server"
    return (
        "Correct `server_url`, `port` and `api_path`; where the house lets nothing out but over a "
        "proxy, name it in `connection.proxy`"
    )


def _clock(date: str | None) -> Finding:
    subject = "clock"
    if not date:
        return note(subject, "The server does not say what time it has")
    # The server's date has whole seconds.
    off = abs(time.time() - parsedate_to_datetime(date).timestamp())
    text = f"{off:.0f} s away from that of the server"
    if off > _CLOCK_WRONG:
        return wrong(subject, text, "Have both machines set their clocks by NTP")
    if off > _CLOCK_NOTE:
        return note(subject, text, "Have both machines set their clocks by NTP")
    return well(subject, "As that of the server")


def _log_in(context: InstanceContext, found: Server) -> Findings:
    subject = "API key"
    try:
        who = found.log_in()
    except ApiKeyRefused as error:
        yield wrong(subject, str(error), "Ask for a new one, and set it with `vnode set-api-key`")
    except (AuthenticationException, ServerUnreachable, ServerError) as error:
        yield wrong(subject, str(error), "Ask the administrator of the collaboration")
    else:
        yield well(subject, f"The server knows us as {who}")
        yield from _agreement(context, found, who)


def _agreement(context: InstanceContext, found: Server, who: Identity) -> Findings:
    subject = "encryption"
    try:
        assembly.agree_on_encryption(who, context.config["encryption"]["enabled"])
        cryptor = assembly.load_key(context)
    except ConfigurationError as error:
        yield wrong(subject, str(error), "Agree with the collaboration on `encryption.enabled`")
        return
    except EncryptionError:
        return  # told where the key is looked at
    if not isinstance(cryptor, RSACryptor):
        yield well(subject, "Off, at the node and in the collaboration")
    elif not who.public_key:
        yield note(subject, "The server has no key of this organization; the start will send ours")
    elif cryptor.verify_public_key(who.public_key):
        yield well(subject, "On; the server has the public key of this node's private key")
    else:
        yield wrong(
            subject,
            f"The server knows {who.organization_name!r} with another public key than that of "
            "this node's private key",
            "Use the key of the organization's other nodes and users, or replace it for all of "
            "them: `vnode start --replace-public-key`",
        )
