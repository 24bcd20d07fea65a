"""`vnode-local audit`."""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from vantage6.common.cli import instance_options, json_option
from vantage6.common.context import InstanceContext
from vantage6.common.encryption import RSACryptor
from vantage6.common.exceptions import ConfigurationError
from vantage6.common.files import write_private_file
from vantage6.node.assembly import load_key
from vantage6.node.audit.chain import Head
from vantage6.node.audit.check import Check, check_folder
from vantage6.node.audit.export import check_export
from vantage6.node.audit.export import export as export_lines
from vantage6.node.cli.options import select_node, with_instance


class _HeadType(click.ParamType):
    name = "NUMBER:HASH"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Head:
        """The head that the text names."""
        try:
            return Head.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group()
def audit() -> None:
    """See what ran at a node, and whether the log of it is whole."""


@audit.command()
@instance_options(default_environment="application", default_system=False)
@click.option(
    "--expect",
    type=_HeadType(),
    help="A last line that you noted before; the node's log tells it at each start.",
)
@click.option("--partial", is_flag=True, help="Older files of the log were moved away.")
@click.option(
    "--export",
    "exported",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Check the file of an export, instead of the log of a node.",
)
@json_option
def verify(
    expect: Head | None, partial: bool, exported: Path | None, as_json: bool, **named: Any
) -> None:
    """Find lines that were changed, removed, moved or cut off; the exit code is 1 if any were."""
    signer = ""
    if exported:
        check, signer = check_export(_read(exported))
    else:
        # Only here: an export can be checked where there is no node.
        check = check_folder(select_node(**named).data_dir, expect, partial=partial)
    if as_json:
        click.echo(json.dumps({**_as_json(check), "signed_by": signer or None}))
    else:
        _tell(check, signer)
    sys.exit(0 if check.is_whole else 1)


@audit.command()
@with_instance
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="Only lines from this moment on (UTC).",
)
@click.option("--sign", is_flag=True, help="Sign it with the private key of the node.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file."
)
def export(
    context: InstanceContext,
    since: datetime | None,
    sign: bool,
    output: Path | None,
) -> None:
    """Give out the log as JSON, with what a check of it found."""
    signer = load_key(context) if sign else None
    if signer is not None and not isinstance(signer, RSACryptor):
        raise ConfigurationError("This node has no private key to sign with: encryption is off")
    start = since.isoformat() if since else ""
    text = json.dumps(export_lines(context.data_dir, context.name, start, signer))
    if output is None:
        click.echo(text)
        return
    write_private_file(output, text.encode())
    click.echo(f"The log is in {output}", err=True)


def _read(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ConfigurationError(f"{path} is not JSON") from error
    return content if isinstance(content, dict) else {}


def _as_json(check: Check) -> dict[str, object]:
    return {
        "whole": check.is_whole,
        "first": check.first,
        "head": str(check.head),
        "faults": check.faults,
        "notes": check.notes,
    }


def _tell(check: Check, signer: str) -> None:
    for text in (*check.notes, *check.faults):
        click.echo(text)
    if signer:
        click.echo(f"Signed by the key with the fingerprint {signer}")
    state = "whole" if check.is_whole else "NOT whole"
    click.echo(f"The log is {state}; it ends with line {check.head}")
