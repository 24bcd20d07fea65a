import sys
from typing import TYPE_CHECKING, Any

import click

from vantage6.server.cli.vserver.options import say, with_running

if TYPE_CHECKING:
    from vantage6.server.container.containers import Running


@click.command()
@with_running
def attach(api: Any, running: "Running") -> None:
    """Show what a server prints; Ctrl+C leaves it running."""
    show_output(api, running.id, running.name, running.scope)


def show_output(api: Any, container: str, name: str, scope: str) -> None:
    """Show what a server prints until it ends, or the operator has seen enough."""
    from vantage6.server.container import containers

    output = sys.stdout.buffer
    try:
        for piece in containers.follow(api, container):
            output.write(piece)
            output.flush()
    except KeyboardInterrupt:
        say(f"\nThe server runs on; stop it with: vserver stop --name {name} --{scope}")
    else:
        say("The server has stopped")
