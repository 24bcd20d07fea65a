"""What the commands of server and node have in common."""

import json
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from vantage6.common.config import ENVIRONMENTS
from vantage6.common.context import Available, InstanceContext, Kind, available
from vantage6.common.exceptions import ConfigurationError, NoConfiguration, Vantage6Error

Command = TypeVar("Command", bound=Callable[..., Any])
Choice = TypeVar("Choice")
Entries = list[dict[str, Any]]


@dataclass(frozen=True)
class Online:
    """An instance that runs, by its name and scope; in an environment of a configuration file."""

    name: str
    scope: str
    environment: str
    config: str


class FriendlyGroup(click.Group):
    """A group of commands in which our own errors become one sentence and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except Vantage6Error as error:
            raise click.ClickException(str(error)) from error


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


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
    NoConfiguration
        When there is none, or none of that name.
    ConfigurationError
        When it cannot be used, or none was named and nobody can be asked.
    """
    if config:
        return InstanceContext.from_file(kind, config, environment, system_folders, schema)
    if not name:
        name, environment = _ask(kind, system_folders)
    return InstanceContext.find(kind, name, environment, system_folders, schema)


def _ask(kind: Kind, system_folders: bool) -> tuple[str, str]:
    """Let the user choose among the configurations that are there."""
    choices = {
        f"{found.name} ({environment})": (found.name, environment)
        for found in available(kind, system_folders)
        for environment in found.environments
    }
    if not choices:
        raise NoConfiguration(
            f"There is no {kind} configuration yet; make one with the command `new`"
        )
    return choose(f"Which {kind}?", choices, "--name NAME or --config FILE")


def choose(question: str, choices: Mapping[str, Choice], option: str) -> Choice:
    """Let the user choose, by what the choices are shown as.

    Parameters
    ----------
    question : str
    choices : mapping
    option : str
        How to choose where nobody can be asked.

    Raises
    ------
    ConfigurationError
        When nobody can be asked.
    """
    import questionary

    if not sys.stdin.isatty():
        raise ConfigurationError(f"{question} Say so with {option}")
    answer: str | None = questionary.select(question, list(choices)).ask()
    if answer is None:
        raise click.Abort
    return choices[answer]


def list_command(
    kind: Kind,
    *,
    system_first: bool,
    find_running: Callable[[Entries], Collection[Online]] | None = None,
    ask_server: Callable[[Entries], Sequence[dict[str, str]]] | None = None,
) -> click.Command:
    """The command `list` of a kind of instance.

    Parameters
    ----------
    kind : {"server", "node"}
    system_first : bool
        Whether it mostly runs in the folders of the system.
    find_running : callable, optional
        Those that run, also with a configuration elsewhere; without it nothing is said of that.
    ask_server : callable, optional
        From what is listed to how the server sees each environment of each.
    """

    @click.command("list", help=f"List the configurations of {kind}s on this machine.")
    @json_option
    def list_instances(as_json: bool) -> None:
        scopes = (system_first, not system_first)
        found = [_describe(entry) for system in scopes for entry in available(kind, system)]
        if find_running:
            found = _with_status(found, find_running(found))
        if ask_server:
            for entry, seen in zip(found, ask_server(found), strict=True):
                entry["server"] = seen
        if as_json:
            click.echo(json.dumps(found))
        else:
            _print_table(found)

    return list_instances


def _print_table(found: list[dict[str, Any]]) -> None:
    usable = [entry for entry in found if entry["environments"]]
    status = "Status" if any("status" in entry for entry in found) else ""
    server = "Seen by the server" if any("server" in entry for entry in found) else ""
    click.echo(_row("Name", "Environments", status, "System/User", server))
    for entry in usable:
        environments = ", ".join(entry["environments"])
        shown = entry.get("status", "").capitalize()
        seen = _seen(entry.get("server", {}))
        click.echo(_row(entry["name"], environments, shown, entry["scope"], seen))
    click.echo(f"Number of failed imports: {len(found) - len(usable)}")
    for entry in found:
        if entry["fault"]:
            click.echo(f"  {entry['fault']}")


def _seen(server: Mapping[str, str]) -> str:
    if len(server) == 1:
        (seen,) = server.values()
        return seen[:1].upper() + seen[1:]
    return ", ".join(f"{environment}: {seen}" for environment, seen in server.items())


def _row(name: str, environments: str, status: str, scope: str, server: str) -> str:
    row = f"{name:25}{environments:35}{f'{status:10}' if status else ''}"
    return f"{row}{scope:13}{server}".rstrip()


def _describe(found: Available) -> dict[str, Any]:
    """A configuration as the command `list` shows it with --json."""
    return {
        "name": found.name,
        "environments": found.environments,
        "scope": "system" if found.system_folders else "user",
        "path": str(found.path),
        "fault": found.fault,
    }


def _with_status(found: list[dict[str, Any]], running: Collection[Online]) -> list[dict[str, Any]]:
    """What was found, and whether it runs; and whatever else runs."""
    names = {(one.name, one.scope) for one in running}
    known = {(entry["name"], entry["scope"]) for entry in found}
    for entry in found:
        is_online = (entry["name"], entry["scope"]) in names
        entry["status"] = "online" if is_online else "offline"
    others = [
        {
            "name": one.name,
            "environments": [one.environment],
            "scope": one.scope,
            "path": one.config,
            "fault": None,
            "status": "online",
        }
        for one in running
        if (one.name, one.scope) not in known
    ]
    return found + others
