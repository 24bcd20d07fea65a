"""`vnode-local version`."""

import json

import click

from vantage6.common import __version__
from vantage6.common.cli import json_option


@click.command()
@json_option
def version(as_json: bool) -> None:
    """Show the version of this node."""
    click.echo(json.dumps({"node": __version__}) if as_json else __version__)
