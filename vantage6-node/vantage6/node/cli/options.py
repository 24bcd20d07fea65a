"""Options that several commands of a node share."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from vantage6.common.cli import instance_options, select_context
from vantage6.common.container import commands
from vantage6.common.container.commands import Product
from vantage6.common.exceptions import ConfigurationError

Command = TypeVar("Command", bound=Callable[..., Any])

NODE = Product("node", "vnode", "vnode-local", of_system=False)

keep_option = commands.keep_option(NODE)
yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")


def with_instance(command: Command) -> Callable[..., Any]:
    """Give a command the options that name a node; it receives the node's context."""

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
        from vantage6.node.configuration import NodeSchema

        context = select_context(
            "node",
            NodeSchema(),
            name=name,
            config=config,
            environment=environment,
            system_folders=system_folders,
        )
        return command(context, **options)

    return run


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
