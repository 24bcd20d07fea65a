"""`vnode list`: nodes in containers are asked in there, where the way to the server is theirs."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from vantage6.common.cli import Online, list_command
from vantage6.common.container.commands import find_online
from vantage6.node.cli.list import ask_server, find_processes
from vantage6.node.cli.options import NODE

if TYPE_CHECKING:
    from vantage6.common.container.containers import Running


def find_running(found: Sequence[dict[str, Any]]) -> list[Online]:
    """The nodes that run in containers, and those that run in processes of their own."""
    return find_online(NODE) + find_processes(found)


def ask_where_they_run(found: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """For each configuration file, how the server sees the node of each of its environments."""
    from vantage6.common.container import containers
    from vantage6.node import visibility

    api = containers.connect()
    inside = {(one.name, one.scope): one for one in containers.find_all(api, NODE.kind)}
    running = [inside.get((entry["name"], entry["scope"])) for entry in found]
    elsewhere = [entry for entry, one in zip(found, running, strict=True) if one is None]
    answers = iter(ask_server(elsewhere))
    told = iter(visibility.ask_all([partial(_ask_inside, api, one) for one in running if one]))
    return [{one.environment: next(told)} if one else next(answers) for one in running]


def _ask_inside(api: Any, running: "Running") -> str:
    from vantage6.common.container import terminal
    from vantage6.node.container import settings

    words = settings.command_inside("status", running.name, running.environment, running.scope)
    code, printed = terminal.output_of(api, running.id, [*words, "--dockerized"])
    return "not known" if code else printed.strip()


list_nodes = list_command(
    "node", system_first=False, find_running=find_running, ask_server=ask_where_they_run
)
