import json
from collections.abc import Callable

import click

from vantage6.common.cli import json_option
from vantage6.common.context import InstanceContext
from vantage6.server.cli.options import with_instance

Locate = Callable[[InstanceContext], dict[str, str]]


def files_command(locate: Locate) -> click.Command:
    """The command `files`, which shows what `locate` finds."""

    @click.command()
    @with_instance
    @json_option
    def files(context: InstanceContext, as_json: bool) -> None:
        """Show where a server keeps its configuration, log and data."""
        shown = locate(context)
        if as_json:
            click.echo(json.dumps(shown))
        else:
            for what, where in shown.items():
                click.echo(f"{what:14}{where}")

    return files


def locate(context: InstanceContext) -> dict[str, str]:
    """Where a server keeps its files when it runs in a process of its own."""
    from vantage6.server import instance

    return {
        "configuration": str(context.config_file),
        "log": str(context.log_file),
        "data": str(context.data_dir),
        "database": instance.database_url(context).render_as_string(hide_password=True),
    }


files = files_command(locate)
