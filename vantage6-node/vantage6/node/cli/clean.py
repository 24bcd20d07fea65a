"""The command `clean`."""

import json
from typing import TYPE_CHECKING, Any

import click

from vantage6.common.cli import json_option, scope_option
from vantage6.common.context import available
from vantage6.node.cli.list import contexts
from vantage6.node.cli.options import agree, yes_option

if TYPE_CHECKING:
    from vantage6.node.belongings import Belongings


@click.command()
@click.option("-n", "--name", help="Only of this node; of all nodes of the folders otherwise.")
@scope_option(default_system=False)
@yes_option
@json_option
def clean(name: str | None, system_folders: bool, yes: bool, as_json: bool) -> None:
    """Delete what the rounds of tasks left for each other, but for those that run now.

    Tasks with rounds yet to come would miss it.
    """
    from vantage6.common.container import containers
    from vantage6.node import belongings

    api = containers.connect()
    nodes = _nodes(name, system_folders)
    folders = [path for one in nodes for path in one.temporary(one.left_in(api).run_ids)]
    names = {(one.context.name, one.context.scope) for one in nodes}
    volumes = [
        volume for each in sorted(names) for volume in belongings.temporary_volumes(api, *each)
    ]
    found = [*map(str, folders), *volumes]
    if found:
        _delete(api, found, folders, volumes, yes, as_json)
    if as_json:
        click.echo(json.dumps({"removed": found}))
    elif not found:
        click.echo("There is nothing to delete")


def _nodes(name: str | None, system_folders: bool) -> list["Belongings"]:
    from vantage6.node.belongings import Belongings

    entries = [
        {"path": one.path, "environments": one.environments, "scope": scope}
        for one in available("node", system_folders)
        for scope in ["system" if system_folders else "user"]
        if name in (None, one.name)
    ]
    return [Belongings(context) for entry in entries for context in contexts(entry)]


def _delete(
    api: Any, found: list[str], folders: list[Any], volumes: list[str], yes: bool, as_json: bool
) -> None:
    from vantage6.node import belongings

    if not as_json:
        click.echo("\n".join(["This is deleted:", *(f"  {one}" for one in found)]))
    agree("Delete it?", yes)
    for folder in folders:
        belongings.delete(folder)
    for volume in volumes:
        belongings.remove_volume(api, volume)
    if not as_json:
        click.echo(f"Deleted {len(found)}")
