from typing import TYPE_CHECKING, Any

import click

from vantage6.common.container.commands import with_running
from vantage6.server.cli.vserver.options import SERVER

if TYPE_CHECKING:
    from vantage6.common.container.containers import Running


@click.command()
@with_running(SERVER)
@click.option("--command", help="Run this instead of asking; without a terminal, the input.")
@click.pass_context
def shell(ctx: click.Context, api: Any, running: "Running", command: str | None) -> None:
    """Open a Python shell on the database of a running server."""
    from vantage6.common.container import terminal
    from vantage6.server.container import settings

    options = ["--command", command] if command is not None else []
    words = settings.command("shell", running.environment, running.scope, *options)
    ctx.exit(terminal.run(api, running.id, words, has_input=command is None))
