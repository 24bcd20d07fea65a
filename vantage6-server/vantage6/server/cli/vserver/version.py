import json
from typing import TYPE_CHECKING, Any

import click

from vantage6.common import __version__
from vantage6.common.exceptions import ConfigurationError
from vantage6.server.cli.options import json_option
from vantage6.server.cli.vserver.options import with_running

if TYPE_CHECKING:
    from vantage6.server.container.containers import Running


@click.command()
@with_running
@json_option
def version(api: Any, running: "Running", as_json: bool) -> None:
    """Show the versions of a running server and of this command."""
    from vantage6.server.container import terminal

    code, printed = terminal.output_of(api, running.id, ["vserver-local", "version"])
    if code:
        raise ConfigurationError(f"The server {running.name!r} does not say: {printed.strip()}")
    versions = {"server": printed.strip(), "cli": __version__}
    click.echo(json.dumps(versions) if as_json else str(versions))
