"""The command `new`: asks for what a configuration needs, or takes it from the options."""

import json
from collections.abc import Sequence
from typing import Any

import click

from vantage6.common.cli import json_option, scope_option
from vantage6.common.config import ENVIRONMENTS, LOG_LEVELS
from vantage6.node.cli import wizard


def new_command(program: str) -> click.Command:
    """The command `new` of a program, which says how to start what was made."""

    @click.command()
    @scope_option(default_system=False)
    @click.option("-n", "--name", help="Name of the configuration; spaces become '-'.")
    @click.option("-e", "--environment", type=click.Choice(ENVIRONMENTS))
    @click.option("--api-key", help="What the server gave out for this node; may be left empty.")
    @click.option("--server-url", help="Scheme and name of the server.")
    @click.option("--port", help="Port of the server.")
    @click.option("--api-path", help="Where its API starts.")
    @click.option("--task-dir", help="Folder for the files of tasks.")
    @click.option("--database", "databases", multiple=True, metavar="LABEL=URI", help="Repeatable.")
    @click.option("--allow-image", "images", multiple=True, metavar="PATTERN", help="Repeatable.")
    @click.option("--log-level", type=click.Choice(LOG_LEVELS))
    @click.option("--vpn-subnet", help="Subnet of the VPN; empty for none.")
    @click.option("--encryption/--no-encryption", default=None)
    @click.option("--private-key", help="Path to the private key of the organization.")
    @click.option("--yes", is_flag=True, help="Ask nothing: use defaults for what is not given.")
    @json_option
    def new(
        system_folders: bool,
        name: str | None,
        environment: str | None,
        databases: Sequence[str],
        images: Sequence[str],
        yes: bool,
        as_json: bool,
        **given: Any,
    ) -> None:
        """Make a configuration for a node."""
        made = wizard.ask(name, environment, system_folders, given, databases, images, silent=yes)
        command = f"{program} start --name {made.name} --environment {made.environment}"
        command += " --system" if system_folders else ""
        if as_json:
            click.echo(json.dumps({"path": str(made.path), "start": command}))
        else:
            click.echo(f"The configuration is in {made.path}\nStart the node with: {command}")

    return new
