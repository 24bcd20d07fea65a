"""Make a server configuration from answers, some given and the others asked for."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vantage6.common.config import (
    LOG_DATE_FORMAT,
    LOG_FORMAT,
    LOG_LEVELS,
    list_environments,
    save_configuration,
)
from vantage6.common.context import EXTENSION, check_name, check_write_permissions, folders
from vantage6.common.exceptions import ConfigurationError
from vantage6.server.configuration import TYPES, ServerSchema

Answers = Mapping[str, Any]


@dataclass(frozen=True)
class Question:
    """One answer of a configuration, with what to offer.

    Attributes
    ----------
    key : str
        The name of the answer; also of the option of the command.
    text : str
        What to ask.
    default : str, bool or int
        Also says of what type the answer is.
    choices : tuple of str
        What there is to choose from; anything when empty.
    only_if : str
        The key of a question that must be answered with yes for this one to be asked.
    """

    key: str
    text: str
    default: Any
    choices: tuple[str, ...] = ()
    only_if: str = ""

    @property
    def option(self) -> str:
        """How the option of the command is written."""
        flag = f"--{self.key.replace('_', '-')}"
        return f"{flag}/--no-{flag[2:]}" if isinstance(self.default, bool) else flag


QUESTIONS = (
    Question("description", "What is this server for?", "A vantage6 server"),
    Question("type", "What kind of server is it?", "prod", TYPES),
    Question("ip", "Which address should it listen on?", "0.0.0.0"),
    Question("port", "Which port should it listen on?", 5000),
    Question("api_path", "Which path should the API be under?", "/api"),
    Question("uri", "Which database should it use?", "sqlite:///default.sqlite"),
    Question("allow_drop_all", "May an import drop all tables?", False),
    Question(
        "jwt_secret",
        "Keep the secret for tokens in this file? (only for several servers on one database)",
        False,
    ),
    Question("log_level", "How much should it log?", "INFO", LOG_LEVELS),
    Question("two_factor_auth", "Must users log in with a second factor?", False),
    Question("vpn", "Is there a VPN server? (not used by this version)", False),
    Question("vpn_url", "What is its address?", "https://", only_if="vpn"),
    Question("vpn_portal_username", "Who logs in to its portal?", "", only_if="vpn"),
    Question("vpn_portal_userpass", "With which password?", "", only_if="vpn"),
    Question("vpn_client_id", "Which client does its API know?", "", only_if="vpn"),
    Question("vpn_client_secret", "With which secret?", "", only_if="vpn"),
    Question("vpn_redirect_url", "Where does it redirect to?", "http://localhost", only_if="vpn"),
    Question(
        "rabbitmq", "Are there several server processes, with a RabbitMQ between them?", False
    ),
    Question(
        "rabbitmq_uri",
        "Which one?",
        "amqp://user:password@vantage6-broker:5672/vhost",
        only_if="rabbitmq",
    ),
)
_VPN = "vpn_"


def create_configuration(
    name: str, environment: str, system_folders: bool, answers: Answers
) -> Path:
    """Write a new configuration, or a new environment of one, and return its file.

    Parameters
    ----------
    name : str
        Spaces become hyphens.
    environment : str
    system_folders : bool
    answers : mapping
        By the keys of `QUESTIONS`; the default counts where one is missing.

    Raises
    ------
    ConfigurationError
        When it is there already, cannot be written, or an answer cannot be used.
    """
    path = check_new(name, environment, system_folders)
    values = _configuration(path.stem, answers)
    faults = ServerSchema().validate(values)
    if faults:
        raise ConfigurationError(f"These answers cannot be used: {faults}")
    save_configuration(path, environment, values)
    return path


def check_new(name: str, environment: str, system_folders: bool) -> Path:
    """The file of a configuration that is to be made; ConfigurationError when it cannot be."""
    name = check_name(name.replace(" ", "-"))
    folder = folders("server", system_folders).config
    path = folder / f"{name}{EXTENSION}"
    if not check_write_permissions(folder):
        raise ConfigurationError(f"You may not write into {folder}; try --user")
    if path.exists() and environment in list_environments(path):
        raise ConfigurationError(f"{path} already has an environment {environment!r}")
    return path


def ask_name() -> str:
    """What the configuration is to be called; KeyboardInterrupt."""
    import questionary

    return str(questionary.text("What should the configuration be called?").unsafe_ask())


def ask(answers: Answers) -> dict[str, Any]:
    """The answers, with those that are missing asked for on the terminal; KeyboardInterrupt."""
    found = _with_implied(answers)
    for question in QUESTIONS:
        if question.key not in found and (not question.only_if or found[question.only_if]):
            found[question.key] = _ask(question)
    return found


def _with_implied(answers: Answers) -> dict[str, Any]:
    """The answers; whoever says something about a thing has it."""
    implied = {one.only_if: True for one in QUESTIONS if one.only_if and one.key in answers}
    return {**implied, **answers}


def _ask(question: Question) -> Any:
    # It draws menus: slow to import, and needed nowhere else.
    import questionary

    if question.choices:
        return questionary.select(
            question.text, question.choices, default=question.default
        ).unsafe_ask()
    if isinstance(question.default, bool):
        return questionary.confirm(question.text, default=question.default).unsafe_ask()
    answer = questionary.text(
        question.text,
        default=str(question.default),
        validate=lambda text: _fault(question.key, text) or True,
    ).unsafe_ask()
    return type(question.default)(answer)


def _fault(key: str, text: str) -> str | None:
    """What is wrong with an answer, if anything."""
    faults = ServerSchema().validate({key: text}, partial=True).get(key)
    return " ".join(faults) if faults else None


def _configuration(name: str, answers: Answers) -> dict[str, Any]:
    offered = {question.key: question.default for question in QUESTIONS}
    values = offered | _with_implied(answers)
    level = values.pop("log_level")
    if values.pop("jwt_secret"):
        values["jwt_secret_key"] = secrets.token_urlsafe(48)
    has_vpn, has_rabbitmq = values.pop("vpn"), values.pop("rabbitmq")
    vpn = {key: values.pop(key) for key in offered if key.startswith(_VPN)}
    if has_vpn:
        values["vpn_server"] = {key.removeprefix(_VPN): value for key, value in vpn.items()}
    if not has_rabbitmq:
        del values["rabbitmq_uri"]
    values["logging"] = {
        "level": level,
        "file": f"{name}.log",
        "use_console": True,
        "backup_count": 5,
        "max_size": 1024,
        "format": LOG_FORMAT,
        "datefmt": LOG_DATE_FORMAT,
    }
    return values
