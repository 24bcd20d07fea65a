"""The command `new`: asks for what a configuration needs, or takes it from the options."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from vantage6.common.cli import json_option, scope_option
from vantage6.common.config import ENVIRONMENTS, LOG_LEVELS, list_environments, save_configuration
from vantage6.common.context import EXTENSION, check_name, check_write_permissions, folders
from vantage6.common.exceptions import ConfigurationError

DEFAULT_SUBNET = "10.76.0.0/16"


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
        ask = _Questions(silent=yes)
        name = check_name((name or ask.text("Name of the configuration:", "")).replace(" ", "-"))
        environment = environment or ask.choice("Environment:", ENVIRONMENTS, "application")
        path = folders("node", system_folders).config / f"{name}{EXTENSION}"
        _check_place(path, environment)
        values = _answers(
            ask, given, databases, images, folders("node", system_folders).data / name
        )
        save_configuration(path, environment, values)
        command = f"{program} start --name {name} --environment {environment}"
        command += " --system" if system_folders else ""
        if as_json:
            click.echo(json.dumps({"path": str(path), "start": command}))
        else:
            click.echo(f"The configuration is in {path}\nStart the node with: {command}")

    return new


class _Questions:
    """Asks a person; or, when silent, takes every default."""

    def __init__(self, silent: bool) -> None:
        if not silent and not sys.stdin.isatty():
            raise ConfigurationError("There is nobody to ask: give options, and --yes for the rest")
        self._silent = silent

    def text(self, question: str, default: str) -> str:
        """A line of text."""
        return str(self._ask("text", question, default=default))

    def choice(self, question: str, choices: Sequence[str], default: str) -> str:
        """One of several."""
        return str(self._ask("select", question, choices=list(choices), default=default))

    def confirm(self, question: str, default: bool) -> bool:
        """Yes or no."""
        return bool(self._ask("confirm", question, default=default))

    def _ask(self, kind: str, question: str, **options: Any) -> Any:
        if self._silent:
            return options["default"]
        # Slow to import, and a node that starts does not ask.
        import questionary

        answer = getattr(questionary, kind)(question, **options).ask()
        if answer is None:
            raise click.Abort
        return answer


def _check_place(path: Path, environment: str) -> None:
    if not check_write_permissions(path.parent):
        raise ConfigurationError(f"You may not write into {path.parent}")
    if path.exists() and environment in list_environments(path):
        raise ConfigurationError(f"{path} has an environment {environment!r} already")


def _answers(
    ask: _Questions,
    given: dict[str, Any],
    databases: Sequence[str],
    images: Sequence[str],
    data: Path,
) -> dict[str, Any]:
    """The values of the configuration, in the order of the questions."""

    def text(key: str, question: str, default: str) -> str:
        return given[key] if given[key] is not None else ask.text(question, default)

    values: dict[str, Any] = {
        "api_key": text("api_key", "API key:", ""),
        "server_url": text("server_url", "Base URL of the server:", "http://localhost"),
        "port": text("port", "Port of the server:", "5000"),
        "api_path": text("api_path", "Path of the API:", "/api"),
        "task_dir": text("task_dir", "Folder for the files of tasks:", str(data)),
        "databases": _databases(ask, databases),
        "allowed_images": list(images) or _images(ask),
        "logging": {
            "level": given["log_level"] or ask.choice("Log level:", LOG_LEVELS, "INFO"),
            "file": None,
        },
    }
    subnet = given["vpn_subnet"]
    if subnet is None and ask.confirm("Connect to a VPN server?", False):
        subnet = ask.text("Subnet of the VPN:", DEFAULT_SUBNET)
    if subnet:
        values["vpn_subnet"] = subnet
    return {**values, "encryption": _encryption(ask, given)}


def _databases(ask: _Questions, given: Sequence[str]) -> dict[str, str]:
    if given:
        return dict(_split(entry) for entry in given)
    found = {"default": ask.text("Path of the default database:", "")}
    while ask.confirm("Add another database?", False):
        label = ask.text("Its label:", f"database_{len(found)}")
        found[label] = ask.text("Its path:", str(Path(found["default"]).parent))
    return {label: path for label, path in found.items() if path}


def _split(entry: str) -> tuple[str, str]:
    label, separator, uri = entry.partition("=")
    if not (separator and label and uri):
        raise click.BadParameter(f"{entry!r} is not LABEL=URI", param_hint="--database")
    return label, uri


def _images(ask: _Questions) -> list[str]:
    answer = ask.text("Images that may run here (regular expressions, with spaces between):", "")
    return answer.split()


def _encryption(ask: _Questions, given: dict[str, Any]) -> dict[str, Any]:
    enabled = given["encryption"]
    if enabled is None:
        enabled = bool(given["private_key"]) or ask.confirm("Is the collaboration encrypted?", True)
    key = given["private_key"] or ""
    if enabled and not key:
        key = ask.text("Path of the private key:", "")
    return {"enabled": enabled, "private_key": key}
