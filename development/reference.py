"""Write the pages of `docs/reference` that are made from the code; a test keeps them current."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from marshmallow import Schema, missing, validate
from marshmallow.fields import Boolean, Dict, Field, Float, Integer, List, Nested, String

from development import api_page, client_page
from development.console import main
from development.markdown import mark, page, table
from vantage6.common.context import NAME_VARIABLE
from vantage6.common.task_status import LEGAL_MOVES, TaskStatus, is_final
from vantage6.node.cli import main as vnode_local
from vantage6.node.cli.vnode import main as vnode
from vantage6.node.configuration import NodeSchema
from vantage6.node.configuration_blocks import ImageRuleSchema
from vantage6.node.configuration_fields import DatabasesField, Duration, Name, Size
from vantage6.server.cli import main as vserver_local
from vantage6.server.cli.vserver import main as vserver
from vantage6.server.configuration import ServerSchema
from vantage6.server.database import URI_VARIABLE
from vantage6.server.permission.catalogue import ADMISSION, RULES, Admitted, Kind, RuleRecord
from vantage6.server.permission.role import DEFAULT_ROLES

HELP_WIDTH = 90
FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"


def pages() -> dict[str, str]:
    """The generated pages by the names of their files."""
    return {
        "api.md": page("API", *api_page.parts()),
        "client.md": page("The client", *client_page.parts()),
        "node-configuration.md": _node_configuration(),
        "permissions.md": _permissions(),
        "run-states.md": _run_states(),
        "server-configuration.md": _server_configuration(),
        "vnode.md": _commands("node", "how to run a node", vnode, vnode_local),
        "vserver.md": _commands("server", "how to run a server", vserver, vserver_local),
    }


def write() -> None:
    """Write all generated pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def _permissions() -> str:
    rules = [_rule_row(number, record) for number, record in enumerate(RULES, start=1)]
    admission = [
        [f"{method} `{route}`", *(mark(kind in admitted) for kind in Kind), _anonymous(admitted)]
        for route, methods in ADMISSION.items()
        for method, admitted in methods.items()
    ]
    return page(
        "Permissions",
        "A rule is a resource, a scope and an operation; a role is a set of rules. A user may do "
        "what the rules of all their roles, and those given to them directly, allow.",
        "## Rules and default roles",
        table(["#", "resource", "scope", "operation", "allows", *_role_names()], rules),
        "## Who is admitted to which route",
        "The rules then decide what those who are admitted may see and do there.",
        table(["route", *(kind.value for kind in Kind), "without log-in"], admission),
    )


def _rule_row(number: int, record: RuleRecord) -> list[str]:
    words = [record.name, record.scope.name, record.operation.name, record.description]
    return [str(number), *words, *(mark(record in role.rules) for role in DEFAULT_ROLES)]


def _role_names() -> list[str]:
    return [role.name for role in DEFAULT_ROLES]


def _anonymous(admitted: Admitted) -> str:
    return mark(not admitted)


def _run_states() -> str:
    rows = [
        [str(old), *(mark((old, new) in LEGAL_MOVES) for new in TaskStatus)]
        for old in TaskStatus
        if not is_final(old)
    ]
    return page(
        "Run states",
        "The moves a run may make, from the state in front to the one above. What is not in the "
        "first column is final. A task is pending, initializing or active as long as one of its "
        "runs is not final; then it has the state of its first failed run, or is completed.",
        table(["", *(str(status) for status in TaskStatus)], rows),
        "A run that is killed is final at once; the container goes a moment later. `stopped_at` is "
        "empty until the node has confirmed that nothing is left of the run, also of one that it "
        "had not begun: `GET /result?state=stopping&run_id=…` lists what is not confirmed, and "
        "`client.task.kill(id, wait=30)` waits for it. Nodes of the classic line confirm nothing. "
        "Runs that had ended before the kill keep their result.",
    )


def _server_configuration() -> str:
    return _configuration(
        "server",
        ServerSchema(),
        "`-e` chooses one, `prod` unless told otherwise.",
        "## Environment variables",
        table(["variable", "meaning"], [[f"`{name}`", text] for name, text in _VARIABLES]),
    )


def _node_configuration() -> str:
    return _configuration(
        "node",
        NodeSchema(),
        "`-e` chooses one, `application` unless told otherwise.",
        "## An entry of `policies.images`",
        _keys(list(_fields(ImageRuleSchema()))),
    )


def _configuration(kind: str, schema: Schema, choice: str, *parts: str) -> str:
    fields = list(_fields(schema))
    return page(
        f"The configuration of a {kind}",
        f"One YAML file per {kind}, named after it, with a section `application` and, below "
        "`environments`, the sections `dev`, `test`, `acc` and `prod`. Each of them is a whole "
        f"configuration or empty; {choice} A key that is "
        "not valid stops the start with its name; one that nobody knows is named in the log, "
        "with the one that is most like it.",
        "## Keys",
        _keys([(path, field) for path, field in fields if not _is_idle(field)]),
        "## Keys that are read and have no effect",
        table(
            ["key", "meaning", "why it has none"],
            [
                [f"`{path}`", field.metadata["description"], field.metadata["without_effect"]]
                for path, field in fields
                if _is_idle(field)
            ],
        ),
        *parts,
    )


def _keys(fields: Sequence[tuple[str, Field[Any]]]) -> str:
    return table(["key", "value", "default", "meaning"], [_key_row(*entry) for entry in fields])


_VARIABLES = (
    (URI_VARIABLE, "The database, instead of the one in the configuration (`uri`)."),
    (NAME_VARIABLE, "What the server of a `--config` file is called, instead of as its file."),
)


def _fields(schema: Schema, prefix: str = "") -> Iterator[tuple[str, Field[Any]]]:
    """The keys of a configuration, those within blocks too, by their whole names."""
    for name, field in schema.fields.items():
        yield f"{prefix}{name}", field
        if isinstance(field, Nested):
            yield from _fields(field.schema, f"{prefix}{name}.")


def _is_idle(field: Field[Any]) -> bool:
    return "without_effect" in field.metadata


def _key_row(path: str, field: Field[Any]) -> list[str]:
    return [f"`{path}`", _kind(field), _default(field), field.metadata["description"]]


def _kind(field: Field[Any]) -> str:
    """What may be written for a key."""
    kind = next(text for type_, text in _KINDS if isinstance(field, type_))
    for validator in field.validators:
        match validator:
            case validate.OneOf():
                return ", ".join(f"`{choice}`" for choice in validator.choices)
            case validate.Range() if validator.max is not None:
                kind += f", {validator.min} to {validator.max}"
            case validate.Range():
                kind += f", at least {validator.min}"
            case validate.Length():
                kind += f", at least {validator.min} characters"
    return kind


_KINDS: Sequence[tuple[type[Field[Any]], str]] = (
    (Nested, "block"),
    (Boolean, "true or false"),
    (Integer, "number"),
    (Float, "number"),
    (Size, "size, such as `512m`"),
    (Duration, "duration, such as `30m`"),
    (Name, "name or id"),
    (Dict, "block"),
    (DatabasesField, "block or list"),
    (List, "list"),
    (String, "text"),
)


def _default(field: Field[Any]) -> str:
    if field.required:
        return "must be there"
    if "default" in field.metadata:
        return str(field.metadata["default"])
    if field.load_default in (missing, None) or callable(field.load_default):
        return ""
    return f"`{json.dumps(field.load_default)}`"


def _commands(kind: str, howto: str, in_containers: click.Group, local: click.Group) -> str:
    program = f"v{kind}"
    groups = {program: in_containers, f"{program}-local": local}
    sections = [
        _help(f"{program} {name}", command)
        for program, group in groups.items()
        for name, command in _leaves(group)
    ]
    return page(
        f"The commands `{program}` and `{program}-local`",
        f"`{program}` runs {_NAMES[kind]} in containers, `{program}-local` in a process of its "
        f"own; see [{howto}](../howto/{howto.replace(' ', '-').removeprefix('how-to-')}.md). What "
        "goes wrong is one sentence and exit code 1.",
        *sections,
    )


_NAMES = {"server": "servers", "node": "nodes"}


def _leaves(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    """The commands of a group, those of groups within it by both words."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from _leaves(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def _help(words: str, command: click.Command) -> str:
    context = click.Context(command, info_name=words, terminal_width=HELP_WIDTH)
    return f"## `{words}`\n\n```text\n{command.get_help(context)}\n```"


if __name__ == "__main__":
    main(write)
