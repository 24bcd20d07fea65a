"""`vnode-local list`."""

import json

import click
from rich.console import Console
from rich.table import Table

from vantage6.common.cli import describe
from vantage6.common.context import Available, available


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_(as_json: bool) -> None:
    """Show the configurations of this user and of the whole machine."""
    found = [*available("node", system_folders=False), *available("node", system_folders=True)]
    if as_json:
        click.echo(json.dumps([describe(entry) for entry in found]))
    else:
        _show(found)


def _show(found: list[Available]) -> None:
    table = Table("Name", "Environments", "System/User", box=None)
    for entry in found:
        scope = "system" if entry.system_folders else "user"
        table.add_row(entry.name, ", ".join(entry.environments) or "none", scope)
    console = Console(highlight=False)
    console.print(table)
    for entry in found:
        if entry.fault:
            console.print(f"{entry.path}: {entry.fault}", soft_wrap=True)
