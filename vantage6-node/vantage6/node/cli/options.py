"""Options that several commands of a node share."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from vantage6.common.cli import instance_options, select_context
from vantage6.common.container import commands
from vantage6.common.container.commands import Product
from vantage6.common.context import InstanceContext
from vantage6.common.exceptions import ConfigurationError, NoConfiguration
from vantage6.node.cli import wizard

Command = TypeVar("Command", bound=Callable[..., Any])

NODE = Product("node", "vnode", "vnode-local", of_system=False)

keep_option = commands.keep_option(NODE)
yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
replace_public_key_option = click.option(
    "--replace-public-key",
    is_flag=True,
    help="Replace the public key of the organization at the server by that of this node.",
)
take_over_option = click.option(
    "--take-over",
    is_flag=True,
    help="Take the runs that another process of this node has, and has not finished: when that "
    "one will not come back. Otherwise they are taken ten minutes after its last word.",
)


def with_instance(command: Command) -> Callable[..., Any]:
    """Give a command the options that name a node; it receives the node's context."""
    return _with_instance(command, select_node)


def with_instance_or_wizard(command: Command) -> Callable[..., Any]:
    """The same; where there is no such node, who sits at the terminal may make it first."""
    return _with_instance(command, _select_or_make)


def _with_instance(
    command: Callable[..., Any], select: Callable[..., InstanceContext]
) -> Callable[..., Any]:
    @instance_options(default_environment="application", default_system=False)
    @wraps(command)
    def run(
        *,
        name: str | None,
        config: str | None,
        environment: str,
        system_folders: bool,
        **options: Any,
    ) -> Any:
        context = select(
            name=name, config=config, environment=environment, system_folders=system_folders
        )
        return command(context, **options)

    return run


def select_node(**named: Any) -> InstanceContext:
    """The node that the options of a command name, see `instance_options`."""
    from vantage6.node.configuration import NodeSchema

    return select_context("node", NodeSchema(), **named)


def _select_or_make(**named: Any) -> InstanceContext:
    try:
        return select_node(**named)
    except NoConfiguration as error:
        if not sys.stdin.isatty():
            raise
        click.echo(error, err=True)
        click.confirm("Answer some questions to make it now?", default=True, abort=True)
    made = wizard.ask(named["name"], named["environment"], named["system_folders"])
    click.echo(f"The configuration is in {made.path}")
    return select_node(**{**named, "name": made.name})


def agree(question: str, yes: bool) -> None:
    """Go on only where the operator says so.

    Raises
    ------
    ConfigurationError
        When nobody can be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError(f"{question} Nobody can be asked: say --yes")
    click.confirm(question, default=False, abort=True)
