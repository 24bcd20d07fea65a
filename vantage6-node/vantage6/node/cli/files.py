"""`vnode-local files`."""

import json

import click

from vantage6.common.cli import instance_options, select_context
from vantage6.common.context import InstanceContext
from vantage6.node.configuration import NodeSchema


@click.command()
@instance_options(default_environment="application", default_system=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def files(
    name: str | None, config: str | None, environment: str, system_folders: bool, as_json: bool
) -> None:
    """Show where the files of a node are."""
    context = select_context(
        "node",
        NodeSchema(),
        name=name,
        config=config,
        environment=environment,
        system_folders=system_folders,
    )
    places = locations(context)
    if as_json:
        click.echo(json.dumps({**places, "databases": context.config["databases"]}))
        return
    for what, path in places.items():
        click.echo(f"{what.replace('_', ' ').capitalize():<20} {path}")
    for label, uri in context.config["databases"].items():
        click.echo(f"{'Database ' + label:<20} {uri}")


def locations(context: InstanceContext) -> dict[str, str]:
    """The files and folders of a node."""
    return {
        "configuration_file": str(context.config_file),
        "log_file": str(context.log_file),
        "data_folder": str(context.data_dir),
    }
