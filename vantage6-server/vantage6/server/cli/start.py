from pathlib import Path

import click

from vantage6.common.context import InstanceContext
from vantage6.server.cli.options import root_password_option, with_instance


@click.command()
@with_instance
@click.option("--ip", help="The address to listen on, instead of the configured one.")
@click.option(
    "-p",
    "--port",
    type=click.IntRange(0, 65535),
    help="The port to listen on, instead of the configured one; 0 picks a free one.",
)
@click.option("--debug", is_flag=True, help="Log every detail.")
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep the address of the server in this file while it answers.",
)
@root_password_option
def start(
    context: InstanceContext,
    ip: str | None,
    port: int | None,
    debug: bool,
    ready_file: Path | None,
    root_password_file: Path | None,
) -> None:
    """Start a server and serve until it is stopped."""
    from vantage6.server import instance

    if debug:
        context.config["logging"]["level"] = "DEBUG"
    instance.start(
        context,
        ip=ip,
        port=port,
        ready_file=ready_file,
        root_password_file=root_password_file,
    )
