"""The command `list` of both programs: which nodes there are, and whether the server sees them."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from vantage6.common.cli import Online, list_command
from vantage6.common.exceptions import Vantage6Error

if TYPE_CHECKING:
    from vantage6.common.context import InstanceContext


def contexts(entry: dict[str, Any]) -> Iterator["InstanceContext"]:
    """The nodes of a configuration file that was found, as far as they can be used."""
    from vantage6.common.context import InstanceContext
    from vantage6.node.configuration import NodeSchema

    is_system = entry["scope"] == "system"
    for environment in entry["environments"]:
        try:
            yield InstanceContext.from_file(
                "node", entry["path"], environment, is_system, NodeSchema()
            )
        except Vantage6Error:
            # The server cannot be asked for it, and is shown as not known.
            continue


def find_processes(found: Sequence[dict[str, Any]]) -> list[Online]:
    """The nodes in whose data folders a process works, in a container or not."""
    from vantage6.node.instance import is_held

    return [
        Online(context.name, context.scope, context.environment, str(context.config_file))
        for entry in found
        for context in contexts(entry)
        if is_held(context.data_dir)
    ]


def ask_server(found: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """For each configuration file, how the server sees the node of each of its environments."""
    from vantage6.node import visibility

    asked = [(number, context) for number, entry in enumerate(found) for context in contexts(entry)]
    answers = visibility.ask_all([partial(visibility.ask, context.config) for _, context in asked])
    seen: list[dict[str, str]] = [
        dict.fromkeys(entry["environments"], "configuration unusable") for entry in found
    ]
    for (number, context), answer in zip(asked, answers, strict=True):
        seen[number][context.environment] = answer
    return seen


list_nodes = list_command(
    "node", system_first=False, find_running=find_processes, ask_server=ask_server
)
