import json
import sys
from collections.abc import Callable
from typing import Any

import click

from vantage6.common.cli import json_option, scope_option
from vantage6.common.config import ENVIRONMENTS
from vantage6.common.exceptions import ConfigurationError
from vantage6.server.wizard import QUESTIONS, ask, ask_name, check_new, create_configuration


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


def new_command(program: str) -> click.Command:
    """The command `new` of a program, which says how to start what was made."""

    @click.command()
    @click.option("-n", "--name", help="The name of the new configuration.")
    @click.option(
        "-e", "--environment", type=click.Choice(ENVIRONMENTS), default="prod", show_default=True
    )
    @scope_option(default_system=True)
    @answer_options
    @click.option("--defaults", "--yes", is_flag=True, help="Ask nothing; take what is offered.")
    @json_option
    def new(
        name: str | None,
        environment: str,
        system_folders: bool,
        defaults: bool,
        as_json: bool,
        **given: Any,
    ) -> None:
        """Make a new server configuration; asks for what no option says."""
        may_ask = not (defaults or as_json) and sys.stdin.isatty()
        if not name and not may_ask:
            raise ConfigurationError("Say how the configuration is to be called: --name NAME")
        name = name or ask_name()
        check_new(name, environment, system_folders)
        answers = {key: value for key, value in given.items() if value is not None}
        if may_ask:
            answers = ask(answers)
        path = create_configuration(name, environment, system_folders, answers)
        scope = "--system" if system_folders else "--user"
        start = f"{program} start --name {path.stem} -e {environment} {scope}"
        if as_json:
            click.echo(json.dumps({"path": str(path), "start": start}))
        else:
            click.echo(f"Wrote {path}\nStart it: {start}")

    return new
