"""What the commands of server and node have in common."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from vantage6.common.config import ENVIRONMENTS
from vantage6.common.context import Available, InstanceContext, Kind, available
from vantage6.common.exceptions import ConfigurationError, Vantage6Error

Command = TypeVar("Command", bound=Callable[..., Any])


class FriendlyGroup(click.Group):
    """A group of commands in which our own errors become one sentence and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except Vantage6Error as error:
            raise click.ClickException(str(error)) from error


def scope_option(default_system: bool) -> Callable[[Command], Command]:
    """`--system` or `--user`: which folders to look in."""
    return click.option(
        "--system/--user",
        "system_folders",
        default=default_system,
        show_default=True,
        help="Use the folders of the whole machine, or of the user.",
    )


def instance_options(
    default_environment: str, default_system: bool
) -> Callable[[Command], Command]:
    """The options that name an instance: name, config, environment and scope."""

    def decorate(command: Command) -> Command:
        for option in (
            scope_option(default_system),
            click.option(
                "-e",
                "--environment",
                type=click.Choice(ENVIRONMENTS),
                default=default_environment,
                show_default=True,
                help="The section of the configuration file.",
            ),
            click.option(
                "-c",
                "--config",
                type=click.Path(),
                help="A configuration file; goes before --name.",
            ),
            click.option("-n", "--name", help="The name of the configuration."),
        ):
            command = option(command)
        return command

    return decorate


def select_context(
    kind: Kind,
    schema: Any,
    *,
    name: str | None,
    config: str | None,
    environment: str,
    system_folders: bool,
) -> InstanceContext:
    """The instance that the options of a command name; asks where they name none.

    Raises
    ------
    ConfigurationError
        When there is no such instance, or none was named and nobody can be asked.
    """
    if config:
        return InstanceContext.from_file(kind, config, environment, system_folders, schema)
    if not name:
        name, environment = _ask(kind, system_folders)
    return InstanceContext.find(kind, name, environment, system_folders, schema)


def _ask(kind: Kind, system_folders: bool) -> tuple[str, str]:
    """Let the user choose among the configurations that are there."""
    import questionary

    choices = [
        questionary.Choice(f"{found.name} ({environment})", (found.name, environment))
        for found in available(kind, system_folders)
        for environment in found.environments
    ]
    if not choices:
        raise ConfigurationError(
            f"There is no {kind} configuration yet; make one with the command `new`"
        )
    if not sys.stdin.isatty():
        raise ConfigurationError(f"Say which {kind} you mean: --name NAME or --config FILE")
    answer: tuple[str, str] | None = questionary.select(f"Which {kind}?", choices).ask()
    if answer is None:
        raise click.Abort
    return answer


def describe(found: Available) -> dict[str, Any]:
    """A configuration as the command `list` shows it with --json."""
    return {
        "name": found.name,
        "environments": found.environments,
        "scope": "system" if found.system_folders else "user",
        "path": str(found.path),
        "fault": found.fault,
    }
