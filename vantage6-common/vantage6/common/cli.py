"""What the commands of server and node have in common."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from vantage6.common.config import ENVIRONMENTS
from vantage6.common.context import NAME_VARIABLE, Available, InstanceContext, Kind, available
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
        given = os.environ.get(NAME_VARIABLE) if kind == "server" else None
        return InstanceContext.from_file(kind, config, environment, system_folders, schema, given)
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


def list_command(kind: Kind, *, system_first: bool) -> click.Command:
    """The command `list` of a kind of instance, with the scope it mostly runs in first."""

    @click.command("list", help=f"List the configurations of {kind}s on this machine.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
    def list_instances(as_json: bool) -> None:
        scopes = (system_first, not system_first)
        found = [entry for system in scopes for entry in available(kind, system)]
        if as_json:
            click.echo(json.dumps([_describe(entry) for entry in found]))
        else:
            _print_table(found)

    return list_instances


def _print_table(found: list[Available]) -> None:
    usable = [entry for entry in found if entry.environments]
    click.echo(f"{'Name':25}{'Environments':35}System/User")
    for entry in usable:
        environments = ", ".join(entry.environments)
        click.echo(f"{entry.name:25}{environments:35}{_describe(entry)['scope']}")
    click.echo(f"Number of failed imports: {len(found) - len(usable)}")
    for entry in found:
        if entry.fault:
            click.echo(f"  {entry.fault}")


def _describe(found: Available) -> dict[str, Any]:
    """A configuration as the command `list` shows it with --json."""
    return {
        "name": found.name,
        "environments": found.environments,
        "scope": "system" if found.system_folders else "user",
        "path": str(found.path),
        "fault": found.fault,
    }
