import click

from vantage6.common.context import InstanceContext
from vantage6.server.cli.options import with_instance


@click.command()
@with_instance
@click.option("--command", help="Run this Python instead of asking; without it, the input.")
def shell(context: InstanceContext, command: str | None) -> None:
    """Open a Python shell with the models of the database as `db`."""
    from vantage6.server import shell

    shell.run(context, command)
