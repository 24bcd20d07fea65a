"""`vnode-local keys`."""

import json
from collections.abc import Sequence

import click

from vantage6.common.cli import json_option
from vantage6.common.context import InstanceContext
from vantage6.common.exceptions import EncryptionError
from vantage6.common.pins import Pin, Pins, check_offer, pinned_keys
from vantage6.node.audit import AuditLog
from vantage6.node.cli.options import with_instance
from vantage6.node.keyring import CONFIRM, PINS


@click.group()
def keys() -> None:
    """See and confirm the public keys of other organizations that a node trusts."""


@keys.command("list")
@with_instance
@json_option
def list_keys(context: InstanceContext, as_json: bool) -> None:
    """List the pinned keys, and those that wait to be confirmed."""
    pins = pinned_keys(context.data_dir / PINS)
    if as_json:
        click.echo(json.dumps([pin.shown() for pin in pins]))
    else:
        _tell(pins)


@keys.command()
@click.argument("organization", type=int)
@with_instance
@click.option(
    "--fingerprint", help="Of the new key, as the organization told you; no other is confirmed."
)
@click.option("--server", help="Address of the API, where the node has known several.")
@click.option(
    "--classic",
    is_flag=True,
    help="Accept that the organization reads classic envelopes only again, as it told you.",
)
@json_option
def confirm(
    context: InstanceContext,
    organization: int,
    fingerprint: str | None,
    server: str | None,
    classic: bool,
    as_json: bool,
) -> None:
    """Trust the other key that the server shows of ORGANIZATION (an id).

    Ask the organization first: somebody may have put another key in the place of theirs.
    """
    path = context.data_dir / PINS
    before = _chosen(pinned_keys(path), organization, server, classic)
    if not classic:
        check_offer(before, fingerprint)
    pins = Pins(path, before.server, CONFIRM)
    # Written down first: who is trusted here decides who can read results.
    AuditLog(context.data_dir).append(
        "promise forgotten" if classic else "key confirmed",
        organization_id=organization,
        server=before.server,
        fingerprint_before=before.fingerprint,
        fingerprint=before.fingerprint if classic else before.offered_fingerprint,
    )
    if classic:
        pins.forget_capabilities(organization)
        pin = before
    else:
        # What was just looked at, and nothing that came in its place meanwhile.
        pin = pins.confirm(organization, fingerprint or before.offered_fingerprint)
    if as_json:
        click.echo(json.dumps(pin.shown()))
    elif classic:
        click.echo(f"{pin} gets classic envelopes until it says again that it reads others")
    else:
        click.echo(f"The key of {pin} is now {pin.fingerprint}")


def _chosen(pins: Sequence[Pin], organization: int, server: str | None, classic: bool) -> Pin:
    """The pin that is meant; those with something to confirm come first."""
    own = [pin for pin in pins if pin.organization_id == organization]
    own = [pin for pin in own if server in (None, pin.server)]
    waiting = [pin for pin in own if (pin.capabilities if classic else pin.offered)]
    found = waiting or own
    if not found:
        raise EncryptionError(f"No key is pinned of organization {organization}")
    if classic and not waiting:
        raise EncryptionError(f"{found[0]} has not said that it reads anything else")
    if len(found) > 1:
        servers = ", ".join(pin.server for pin in found)
        raise EncryptionError(f"Say which --server is meant: {servers}")
    return found[0]


def _tell(pins: Sequence[Pin]) -> None:
    if not pins:
        click.echo("No keys are pinned yet: each is at its first use")
    for pin in pins:
        click.echo(f"{pin} at {pin.server}\n    since {pin.since}: {pin.fingerprint}")
        if pin.offered:
            click.echo(
                f"    the server now shows another one: {pin.offered_fingerprint}\n"
                f"    after asking the organization: {CONFIRM.format(pin.organization_id)}"
            )
