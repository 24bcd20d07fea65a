"""The command `remove`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vantage6.common.cli import json_option
from vantage6.common.context import InstanceContext
from vantage6.node.cli.options import NODE, agree, with_instance, yes_option

if TYPE_CHECKING:
    from vantage6.node.belongings import Belongings


@click.command()
@with_instance
@yes_option
@json_option
def remove(context: InstanceContext, yes: bool, as_json: bool) -> None:
    """Remove a node: its configuration with all environments, its files, what it left running.

    Kept are private keys, which others of the organization may need, and the audit trail.
    """
    from vantage6.common.container import containers
    from vantage6.node import belongings

    api = containers.connect()
    found = belongings.of_file(context)
    in_container = containers.find(api, NODE.kind, context.name, context.scope) is not None
    belongings.check_stopped(context, found, in_container)
    files = [*dict.fromkeys(path for one in found for path in one.files()), context.config_file]
    volumes = belongings.volumes(api, context.name, context.scope)
    left = [container for one in found for container in one.left_in(api).containers]
    if not as_json:
        _show(files, volumes, left, sum(one.undelivered() for one in found))
    agree(f"Remove the node {context.name!r}?", yes)
    _remove_from_engine(api, context, left, volumes)
    for path in files:
        belongings.delete(path)
    kept = _leave_no_empty_folder(found)
    if as_json:
        removed = [*map(str, files), *volumes]
        click.echo(json.dumps({"removed": removed, "kept": [str(path) for path in kept]}))
        return
    click.echo(f"Removed the node {context.name} ({context.scope})")
    for path in kept:
        click.echo(f"Kept {path}")


def _show(files: list[Path], volumes: list[str], containers: list[str], undelivered: int) -> None:
    click.echo("This is removed:")
    for path in files:
        click.echo(f"  {path}")
    for volume in volumes:
        click.echo(f"  the volume {volume}")
    if containers:
        click.echo(f"  {len(containers)} containers of its tasks")
    if undelivered:
        click.echo(f"{undelivered} runs have ended of which the server does not know: start the")
        click.echo("node once more to have them delivered, or they are lost")


def _remove_from_engine(
    api: Any, context: InstanceContext, left: list[str], volumes: list[str]
) -> None:
    from vantage6.common.container import containers
    from vantage6.node import belongings
    from vantage6.node.container import settings

    containers.remove_ended(api, settings.container_name(context.name, context.scope))
    for container in left:
        containers.remove(api, container)
    for volume in volumes:
        belongings.remove_volume(api, volume)


def _leave_no_empty_folder(found: list["Belongings"]) -> list[Path]:
    """Remove the folders in which nothing is left; what is left in the others."""
    kept = [path for one in found for path in one.audit_trail()]
    for folder in dict.fromkeys(folder for one in found for folder in one.folders()):
        if folder.is_dir():
            inside = sorted(folder.iterdir())
            if inside:
                kept += inside
            else:
                folder.rmdir()
    return list(dict.fromkeys(kept))
