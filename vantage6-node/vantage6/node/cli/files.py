"""The command `files`: where the files of a node are."""

import json
from collections.abc import Callable

import click

from vantage6.common.cli import json_option
from vantage6.common.context import InstanceContext
from vantage6.node.cli.options import with_instance

Locate = Callable[[InstanceContext], dict[str, str]]


def files_command(locate: Locate) -> click.Command:
    """The command `files`, which shows what `locate` finds."""

    @click.command()
    @with_instance
    @json_option
    def files(context: InstanceContext, as_json: bool) -> None:
        """Show where the files of a node are."""
        places = locate(context)
        if as_json:
            click.echo(json.dumps({**places, "databases": context.config["databases"]}))
            return
        for what, path in places.items():
            click.echo(f"{what.replace('_', ' ').capitalize():<20} {path}")
        for label, uri in context.config["databases"].items():
            click.echo(f"{'Database ' + label:<20} {uri}")

    return files


def locate(context: InstanceContext) -> dict[str, str]:
    """Where a node keeps its files when it runs in a process of its own."""
    return {
        "configuration_file": str(context.config_file),
        "log_file": str(context.log_file),
        "data_folder": str(context.data_dir),
    }


files = files_command(locate)
