import sys
from collections.abc import Callable
from typing import Any

import click

from vantage6.common.cli import scope_option
from vantage6.common.config import ENVIRONMENTS
from vantage6.common.exceptions import ConfigurationError
from vantage6.server.wizard import QUESTIONS, ask, check_new, create_configuration


def answer_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give the command an option for every question."""
    for question in reversed(QUESTIONS):
        kind: Any = click.Choice(question.choices) if question.choices else type(question.default)
        option = click.option(
            question.option,
            type=kind,
            default=None,
            help=f"{question.text} [{question.default}]",
        )
        command = option(command)
    return command


@click.command()
@click.option("-n", "--name", help="The name of the new configuration.")
@click.option(
    "-e", "--environment", type=click.Choice(ENVIRONMENTS), default="prod", show_default=True
)
@scope_option(default_system=True)
@answer_options
@click.option("--defaults", is_flag=True, help="Ask nothing; take what is offered.")
def new(
    name: str | None, environment: str, system_folders: bool, defaults: bool, **given: Any
) -> None:
    """Make a new server configuration; asks for what no option says."""
    may_ask = not defaults and sys.stdin.isatty()
    if not name and not may_ask:
        raise ConfigurationError("Say how the configuration is to be called: --name NAME")
    name = name or click.prompt("What should the configuration be called?")
    check_new(name, environment, system_folders)
    answers = {key: value for key, value in given.items() if value is not None}
    if may_ask:
        answers = ask(answers)
    path = create_configuration(name, environment, system_folders, answers)
    click.echo(f"Wrote {path}")
    scope = "--system" if system_folders else "--user"
    click.echo(f"Start it: vserver-local start --name {path.stem} -e {environment} {scope}")
