"""Profiles: where the server is and who asks, kept in a file so that no script holds a password.

A profile is a YAML file, or a `.env` file whose variables are named like the keys with
`VANTAGE6_` in front. Variables of the environment win over either.
"""

import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from getpass import getpass
from pathlib import Path
from typing import Any, Self

import yaml
from platformdirs import PlatformDirs

from vantage6.common.exceptions import ConfigurationError
from vantage6.common.globals import APPNAME

PREFIX = "VANTAGE6_"
_DOT_ENV = ".env"
# What decides to whom a password goes
_WAY = ("host", "port", "path", "proxy", "ca_file")
_NO_FILE = (
    "No profile is named and there is no file .env in this folder, so the environment is asked "
    f"for {PREFIX}HOST and {PREFIX}USERNAME, and"
)
_FILES = ("private_key", "password_file", "ca_file", "pins_file")
_SCHEMES = ("http://", "https://")


@dataclass(frozen=True)
class Profile:
    """What a client needs to log in; each attribute is a key of the file.

    Attributes
    ----------
    host : str
        Scheme and name of the server, such as `https://server.example`.
    port : int, optional
        Its port; without one, that of the scheme.
    path : str
        Where the API starts.
    username : str
    password : str, optional
        Only in files that nobody else may read.
    password_file : Path, optional
        A file that holds the password instead.
    private_key : Path, optional
        The private key of your organization, for encryption.
    ca_file : Path, optional
        Certificates (PEM) of the authorities to trust.
    proxy : str, optional
        URL of an HTTP proxy on the way to the server.
    timeout : float, optional
        Seconds after which a server that says nothing is given up.
    pins_file : Path, optional
        Where the public keys of other organizations are pinned.
    """

    host: str = ""
    port: int | None = None
    path: str = "/api"
    username: str = ""
    password: str | None = field(default=None, repr=False)
    password_file: Path | None = None
    private_key: Path | None = None
    ca_file: Path | None = None
    # May hold a password too
    proxy: str | None = field(default=None, repr=False)
    timeout: float | None = None
    pins_file: Path | None = None

    @classmethod
    def load(cls, name: str | Path | None = None) -> Self:
        """Read a profile.

        Parameters
        ----------
        name : str or Path, optional
            The name of a YAML file in the folder `client` beside other configurations, or the
            path of a YAML or `.env` file. Without one, the `.env` file of the working folder,
            where there is one, and the environment.

        Raises
        ------
        ConfigurationError
            When there is no such file, it cannot be read, others may read the password in it,
            or a key is unknown, missing, or not what it should be. When nobody named the `.env`
            file, and it would send a password from elsewhere to a server of its choice.
        """
        file = _find(name)
        told: dict[str, Any] = {}
        if file:
            told = _read_variables(file) if _is_dot_env(file) else _read_yaml(file)
            _refuse_open_secrets(file, told)
        from_environment = _from_variables(os.environ, _names())
        if file and name is None:
            _refuse_stray(file, told, from_environment)
        told |= from_environment
        profile = cls(**_checked(told, file))
        if not profile.host or not profile.username:
            raise ConfigurationError(f"{file or _NO_FILE} names no host and username")
        return profile

    def password_or_ask(self) -> str:
        """The password, from where the profile says; else it is asked for in a terminal.

        Raises
        ------
        ConfigurationError
            When there is none and nobody to ask.
        """
        if self.password:
            return self.password
        if self.password_file:
            password = _read_text(self.password_file).strip()
            _refuse_open(self.password_file)
            return password
        if not sys.stdin.isatty():
            raise ConfigurationError(
                f"The profile holds no password, and there is no terminal to ask for it; "
                f"set {PREFIX}PASSWORD, or password_file in the profile"
            )
        return getpass(f"Password of {self.username} at {self.host}: ")


def profiles_folder() -> Path:
    """Where profiles are looked for by name."""
    return Path(PlatformDirs(APPNAME, appauthor=False).user_config_dir) / "client"


def _find(name: str | Path | None) -> Path | None:
    if name is None:
        here = Path(_DOT_ENV)
        return here if here.is_file() else None
    path = Path(name).expanduser()
    if path.name == str(name) and not path.suffix and not _is_dot_env(path):
        path = profiles_folder() / f"{name}.yaml"
    if not path.is_file():
        raise ConfigurationError(f"There is no profile {path}")
    return path


def _is_dot_env(path: Path) -> bool:
    return path.name == _DOT_ENV or path.suffix == _DOT_ENV


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(_read_text(path))
    except yaml.YAMLError as error:
        # Not the words of the library: they show the line, which may be that of the password.
        raise ConfigurationError(f"{path} is not valid YAML") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} holds no keys and values")
    unknown = [str(key) for key in content if key not in _names()]
    if unknown:
        raise ConfigurationError(
            f"{path} holds keys that are not known: {', '.join(unknown)}; "
            f"known are {', '.join(_names())}"
        )
    return {key: value for key, value in content.items() if value is not None}


def _read_variables(path: Path) -> dict[str, Any]:
    from dotenv import dotenv_values

    # No interpolation: a password with a dollar sign stays what it is.
    variables = dotenv_values(path, interpolate=False)
    return _from_variables({k: v for k, v in variables.items() if v}, _names())


def _from_variables(variables: Mapping[str, str | None], names: list[str]) -> dict[str, Any]:
    """What variables say; those of other programs are passed over."""
    named = {name: variables.get(f"{PREFIX}{name.upper()}") for name in names}
    return {name: value for name, value in named.items() if value}


def _names() -> list[str]:
    return [known.name for known in fields(Profile)]


def _refuse_stray(file: Path, told: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Raise ConfigurationError where a `.env` that nobody named says where a password goes.

    It may have come with a folder of somebody else, and must not lead a password of ours, or
    what stands in another file of ours, to their server.
    """
    leads = [key for key in _WAY if key in told and key not in ours]
    if leads and ("password" in ours or "password_file" in ours):
        raise ConfigurationError(
            f"The environment holds a password, and the {file} of this folder says where it would "
            f"go ({', '.join(leads)}); name the file as the profile if you trust it"
        )
    for key in _FILES:
        if key in told and key not in ours and not _is_within(file.parent, told[key]):
            raise ConfigurationError(
                f"The {file} of this folder names a {key} outside of the folder; name the file as "
                "the profile if you trust it"
            )


def _is_within(folder: Path, path: str) -> bool:
    return (folder / Path(path).expanduser()).resolve().is_relative_to(folder.resolve())


def _refuse_open_secrets(file: Path, told: Mapping[str, Any]) -> None:
    # Also that of a proxy, within its URL
    if "password" in told or "@" in str(told.get("proxy", "")):
        _refuse_open(file)


def _refuse_open(file: Path) -> None:
    """Raise ConfigurationError for a file with a password that others may read."""
    if os.name == "posix" and file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        raise ConfigurationError(
            f"{file} holds a password and others may read it; chmod 600 makes it yours alone"
        )


def _checked(told: dict[str, Any], file: Path | None) -> dict[str, Any]:
    """The values in their types; paths count from the folder of the profile."""
    checked = dict(told)
    for name, kind in (("port", int), ("timeout", float)):
        if name in told:
            checked[name] = _number(name, told[name], kind)
    for name in ("host", "path", "username", "password", "proxy"):
        if name in told and not isinstance(told[name], str):
            raise ConfigurationError(f"The key {name} has to be text; put it in quotes")
    if "host" in told and not told["host"].startswith(_SCHEMES):
        raise ConfigurationError(f"The key host has to begin with {' or '.join(_SCHEMES)}")
    base = file.parent if file else Path()
    checked |= {name: base / Path(told[name]).expanduser() for name in _FILES if name in told}
    if "private_key" in told and not checked["private_key"].is_file():
        path = checked["private_key"]
        raise ConfigurationError(f"The key private_key names {path}, which is no file")
    return checked


def _number(name: str, value: Any, kind: type) -> Any:
    try:
        return kind(value)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"The key {name} has to be a number") from error
