"""Configuration files: one YAML file per instance, one section per environment.

::

    application: {...}
    environments:
      dev: {...}
      test: {...}
      acc: {...}
      prod: {...}
"""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from marshmallow import INCLUDE, Schema, ValidationError, fields, validate

from vantage6.common.exceptions import ConfigurationError
from vantage6.common.files import write_private_file

APPLICATION = "application"
DTAP = ("dev", "test", "acc", "prod")
ENVIRONMENTS = (APPLICATION, *DTAP)

LOG_LEVELS = ("NOTSET", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOG_FORMAT = "%(asctime)s - %(name)-14s - %(levelname)-8s - %(message)s"
LOG_DATE_FORMAT = "%Y-%m-%d %H:%M:%S"


class LoggingSchema(Schema):
    """The `logging` block of every configuration."""

    class Meta:
        unknown = INCLUDE

    level = fields.String(
        load_default="INFO",
        validate=validate.OneOf(LOG_LEVELS),
        metadata={"description": "Lines below this level are left out."},
    )
    file = fields.String(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "Name of the log file in the folder for logs.",
            "default": "`<name>-<environment>-<scope>.log`",
        },
    )
    use_console = fields.Boolean(
        load_default=True, metadata={"description": "Whether to log on the console too."}
    )
    backup_count = fields.Integer(
        load_default=5,
        validate=validate.Range(min=1),
        metadata={"description": "How many older log files are kept when a new one begins."},
    )
    max_size = fields.Integer(
        load_default=1024,
        validate=validate.Range(min=17),
        metadata={"description": "Size at which a new log file begins, in units of 1024 bytes."},
    )
    format = fields.String(
        load_default=LOG_FORMAT,
        metadata={
            "description": "A line of the log, in the words of Python's `logging`. A server adds "
            "the id of the request at the end, or where `%(request_id)s` stands."
        },
    )
    datefmt = fields.String(
        load_default=LOG_DATE_FORMAT, metadata={"description": "How times are written in it."}
    )
    json = fields.Boolean(
        load_default=False,
        metadata={"description": "Write lines of JSON, for programs, instead of `format`."},
    )


class DirectoriesSchema(Schema):
    """The `directories` block of every configuration."""

    class Meta:
        unknown = INCLUDE

    log = fields.String(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "The folder for logs.",
            "default": "the documented one of the operating system",
        },
    )
    data = fields.String(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "The folder for data.",
            "default": "the documented one of the operating system",
        },
    )


class InstanceSchema(Schema):
    """What the configurations of servers and nodes have in common; unknown keys are kept."""

    class Meta:
        unknown = INCLUDE

    logging = fields.Nested(
        LoggingSchema,
        load_default=lambda: LoggingSchema().load({}),
        metadata={"description": "What is logged, and where."},
    )
    directories = fields.Nested(
        DirectoriesSchema,
        load_default=lambda: DirectoriesSchema().load({}),
        metadata={"description": "Other folders than those of the operating system."},
    )


def list_environments(path: Path) -> list[str]:
    """The environments that a configuration file fills in.

    Raises
    ------
    ConfigurationError
        When the file cannot be read.
    """
    sections = _sections(path)
    return [name for name in ENVIRONMENTS if sections.get(name)]


def load_configuration(path: Path, environment: str, schema: Schema) -> dict[str, Any]:
    """One environment of a configuration file, checked and with its defaults.

    Raises
    ------
    ConfigurationError
        One sentence that names the file, the environment and every key at fault.
    """
    sections = _sections(path)
    _refuse_misplaced(path, sections, schema)
    section = sections.get(environment)
    if not section:
        there = ", ".join(list_environments(path)) or "none"
        raise ConfigurationError(
            f"{path} has no environment {environment!r}; the environments in it: {there}"
        )
    try:
        loaded: dict[str, Any] = schema.load(section)
    except ValidationError as error:
        faults = "; ".join(_faults(error.normalized_messages()))
        raise ConfigurationError(f"{path}, environment {environment!r}: {faults}") from error
    return loaded


def unknown_keys(config: Mapping[str, Any], schema: Schema) -> dict[str, str | None]:
    """The keys of a configuration that mean nothing, each with a known one that is like it."""
    unknown: dict[str, str | None] = {}
    for key, value in config.items():
        field = schema.fields.get(key)
        if field is None:
            alike = difflib.get_close_matches(str(key), schema.fields, n=1)
            unknown[str(key)] = alike[0] if alike else None
        elif isinstance(field, fields.Nested) and isinstance(value, Mapping):
            within = unknown_keys(value, field.schema)
            unknown |= {
                f"{key}.{inner}": f"{key}.{known}" if known else None
                for inner, known in within.items()
            }
    return unknown


def without_effect(config: Mapping[str, Any], schema: Schema, prefix: str = "") -> dict[str, str]:
    """The keys that somebody set and that do nothing here, each with the reason."""
    idle: dict[str, str] = {}
    for key, field in schema.fields.items():
        value = config.get(key)
        if isinstance(field, fields.Nested) and isinstance(value, Mapping):
            idle |= without_effect(value, field.schema, f"{prefix}{key}.")
        elif "without_effect" in field.metadata and _is_set(value, field):
            idle[f"{prefix}{key}"] = field.metadata["without_effect"]
    return idle


def _is_set(value: Any, field: fields.Field[Any]) -> bool:
    default = field.load_default() if callable(field.load_default) else field.load_default
    return bool(value) and value != default


def warnings_about_keys(config: Mapping[str, Any], schema: Schema) -> Iterator[str]:
    """What to say of keys that do nothing: whoever wrote them counts on them."""
    for key, alike in unknown_keys(config, schema).items():
        hint = f"; did you mean {alike}?" if alike else ""
        yield f"The configuration has a key that nobody reads: {key}{hint}"
    for key, reason in without_effect(config, schema).items():
        yield f"The configuration has {key}, which has no effect here: {reason}"


def save_configuration(path: Path, environment: str, values: Mapping[str, Any]) -> None:
    """Write one environment of a configuration file and keep its others.

    The file may hold an API key, so only its owner can read it.
    """
    sections = _sections(path) if path.exists() else {}
    sections[environment] = dict(values)
    content = {
        APPLICATION: sections.get(APPLICATION) or {},
        "environments": {name: sections.get(name) or {} for name in DTAP},
    }
    write_private_file(path, yaml.safe_dump(content, sort_keys=False).encode())


def change_configuration(path: Path, environment: str, keys: Sequence[str], value: str) -> None:
    """Change one text in an environment of a configuration file, and nothing else of it.

    Comments and the order of keys stay; a file in which that is not possible is written anew.

    Parameters
    ----------
    path : Path
    environment : str
    keys : sequence of str
        From the environment to the text, through blocks.
    value : str
    """
    wanted = _sections(path)
    _set(wanted[environment], keys, value)
    changed = _in_place(path.read_text(encoding="utf-8"), environment, keys, value)
    if changed is not None and _reads_as(path, changed, wanted):
        write_private_file(path, changed.encode())
    else:
        save_configuration(path, environment, wanted[environment])


def _reads_as(path: Path, text: str, wanted: dict[str, Any]) -> bool:
    """Whether a text means what it should; a name for a value may have gone with that value."""
    try:
        return _sections_of(path, text) == wanted
    except ConfigurationError:
        return False


def _set(section: dict[str, Any], keys: Sequence[str], value: str) -> None:
    for key in keys[:-1]:
        section = section.setdefault(key, {})
    section[keys[-1]] = value


def _in_place(text: str, environment: str, keys: Sequence[str], value: str) -> str | None:
    """The text of a file with another value at the place of the old one, if there is one."""
    way = (environment,) if environment == APPLICATION else ("environments", environment)
    node = yaml.compose(text, yaml.SafeLoader)
    for key in (*way, *keys):
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((one for name, one in pairs if name.value == key), None)
    if not isinstance(node, yaml.ScalarNode) or node.start_mark.index == node.end_mark.index:
        return None
    return text[: node.start_mark.index] + json.dumps(value) + text[node.end_mark.index :]


def _sections(path: Path) -> dict[str, Any]:
    try:
        return _sections_of(path, path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"The configuration file {path} cannot be read: {error.strerror}"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not valid YAML") from error


def _sections_of(path: Path, text: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1})" if where else ""
        raise ConfigurationError(f"{path} is not valid YAML{line}") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} is not a configuration file: it holds no sections")
    environments = content.pop("environments", None) or {}
    if not isinstance(environments, dict):
        raise ConfigurationError(f"{path}: 'environments' must hold sections")
    outside = {name: value for name, value in content.items() if name not in DTAP}
    return {APPLICATION: None, **outside, **environments}


def _refuse_misplaced(path: Path, sections: Mapping[str, Any], schema: Schema) -> None:
    """Raise ConfigurationError for a key that stands where nobody reads it.

    Whoever wrote a limit there, one step too far to the left, would believe that it holds.
    """
    misplaced = [name for name in sections if name in schema.fields]
    if misplaced:
        raise ConfigurationError(
            f"{path}: nobody reads {', '.join(misplaced)} there; move it into an environment, "
            f"such as below '{APPLICATION}:'"
        )


def _faults(messages: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Flatten marshmallow's nested messages into `key: text`."""
    faults: list[str] = []
    for key, value in messages.items():
        # Of a block as a whole, and not of a key in it
        name = prefix.rstrip(".") if key == "_schema" else f"{prefix}{key}"
        if isinstance(value, Mapping):
            faults += _faults(value, f"{name}.")
        else:
            faults += [f"{name}: {text.rstrip('.')}" for text in value]
    return faults
