"""`vnode-local status`: whether the server sees a node; `vnode list` asks so inside containers."""

import json

import click

from vantage6.common.cli import json_option
from vantage6.common.context import InstanceContext
from vantage6.node.cli.options import with_instance


@click.command()
@with_instance
@click.option("--dockerized/-non-dockerized", default=False, help="Whether this is a container.")
@json_option
def status(context: InstanceContext, dockerized: bool, as_json: bool) -> None:
    """Say whether the server sees a node, asked with the API key of that."""
    from vantage6.node import visibility
    from vantage6.node.container.inside import in_container

    seen = visibility.ask((in_container(context) if dockerized else context).config)
    click.echo(json.dumps({"server": seen}) if as_json else seen)
