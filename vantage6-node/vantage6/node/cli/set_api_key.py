"""The command `set-api-key`."""

import json
import sys

import click

from vantage6.common.cli import json_option
from vantage6.common.config import change_configuration
from vantage6.common.context import InstanceContext
from vantage6.common.exceptions import ConfigurationError
from vantage6.node.cli.options import with_instance


@click.command("set-api-key")
@with_instance
@click.option(
    "--api-key",
    help="What the server gave out for the node; without it the command asks, or reads a line.",
)
@json_option
def set_api_key(context: InstanceContext, api_key: str | None, as_json: bool) -> None:
    """Write another API key into the configuration of a node."""
    # Other users of a machine see the words of a command, so there is a way around them.
    key = (api_key or _ask()).strip()
    if not key:
        raise ConfigurationError("There is no API key without a character")
    change_configuration(context.config_file, context.environment, ("api_key",), key)
    if as_json:
        click.echo(json.dumps({"path": str(context.config_file)}))
    else:
        click.echo(
            f"Wrote the API key into {context.config_file}; a node that runs takes it when it is "
            "started again"
        )


def _ask() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("API key", hide_input=True))
    return sys.stdin.readline()
