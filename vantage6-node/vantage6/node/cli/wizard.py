"""Asks an owner for what the configuration of a node needs, and writes it down."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from vantage6.common.config import ENVIRONMENTS, LOG_LEVELS, list_environments, save_configuration
from vantage6.common.context import EXTENSION, check_name, check_write_permissions, folders
from vantage6.common.exceptions import ConfigurationError

DEFAULT_SUBNET = "10.76.0.0/16"


@dataclass(frozen=True)
class Made:
    """A configuration that was written."""

    path: Path
    name: str
    environment: str


def ask(
    name: str | None,
    environment: str | None,
    system_folders: bool,
    given: Mapping[str, Any] | None = None,
    databases: Sequence[str] = (),
    images: Sequence[str] = (),
    *,
    silent: bool = False,
) -> Made:
    """Make a configuration from what is given, and from answers to what is not.

    Parameters
    ----------
    name, environment : str, optional
    system_folders : bool
    given : mapping, optional
        Answers by key.
    databases : sequence of str
        As `LABEL=URI`.
    images : sequence of str
    silent : bool
        Take what is offered instead of asking.

    Raises
    ------
    ConfigurationError
        When nobody can be asked, or there is such a configuration already.
    """
    questions = _Questions(silent=silent)
    name = check_name((name or questions.text("Name of the configuration:", "")).replace(" ", "-"))
    environment = environment or questions.choice("Environment:", ENVIRONMENTS, "application")
    place = folders("node", system_folders)
    path = place.config / f"{name}{EXTENSION}"
    _check_place(path, environment)
    values = _answers(questions, given or {}, databases, images, place.data / name)
    save_configuration(path, environment, values)
    return Made(path, name, environment)


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
    questions: _Questions,
    given: Mapping[str, Any],
    databases: Sequence[str],
    images: Sequence[str],
    data: Path,
) -> dict[str, Any]:
    """The values of the configuration, in the order of the questions."""

    def text(key: str, question: str, default: str) -> str:
        answer = given.get(key)
        return answer if answer is not None else questions.text(question, default)

    values: dict[str, Any] = {
        "api_key": text("api_key", "API key:", ""),
        "server_url": text("server_url", "Base URL of the server:", "http://localhost"),
        "port": text("port", "Port of the server:", "5000"),
        "api_path": text("api_path", "Path of the API:", "/api"),
        "task_dir": text("task_dir", "Folder for the files of tasks:", str(data)),
        "databases": _databases(questions, databases),
        "allowed_images": list(images) or _images(questions),
        "logging": {
            "level": given.get("log_level") or questions.choice("Log level:", LOG_LEVELS, "INFO"),
            "file": None,
        },
    }
    subnet = given.get("vpn_subnet")
    if subnet is None and questions.confirm("Connect to a VPN server?", False):
        subnet = questions.text("Subnet of the VPN:", DEFAULT_SUBNET)
    if subnet:
        values["vpn_subnet"] = subnet
    return {**values, "encryption": _encryption(questions, given)}


def _databases(questions: _Questions, given: Sequence[str]) -> dict[str, str]:
    if given:
        return dict(_split(entry) for entry in given)
    found = {"default": questions.text("Path of the default database:", "")}
    while questions.confirm("Add another database?", False):
        label = questions.text("Its label:", f"database_{len(found)}")
        found[label] = questions.text("Its path:", str(Path(found["default"]).parent))
    return {label: path for label, path in found.items() if path}


def _split(entry: str) -> tuple[str, str]:
    label, separator, uri = entry.partition("=")
    if not (separator and label and uri):
        raise click.BadParameter(f"{entry!r} is not LABEL=URI", param_hint="--database")
    return label, uri


def _images(questions: _Questions) -> list[str]:
    answer = questions.text(
        "Images that may run here (regular expressions, with spaces between):", ""
    )
    return answer.split()


def _encryption(questions: _Questions, given: Mapping[str, Any]) -> dict[str, Any]:
    enabled = given.get("encryption")
    if enabled is None:
        enabled = bool(given.get("private_key")) or questions.confirm(
            "Is the collaboration encrypted?", True
        )
    key = given.get("private_key") or ""
    if enabled and not key:
        key = questions.text("Path of the private key (empty: the one in its data folder):", "")
    return {"enabled": enabled, "private_key": key}
