"""The command `vnode`: nodes in containers, as an owner of data runs them."""

from typing import TYPE_CHECKING, Any

import click

from vantage6.common.cli import FriendlyGroup
from vantage6.common.container.commands import attach_command, stop_command, version_command
from vantage6.node.cli.both import COMMANDS_OF_BOTH
from vantage6.node.cli.files import files_command
from vantage6.node.cli.new import new_command
from vantage6.node.cli.options import NODE
from vantage6.node.cli.vnode.list import list_nodes
from vantage6.node.cli.vnode.start import start

if TYPE_CHECKING:
    from vantage6.common.container.containers import Running
    from vantage6.common.context import InstanceContext


@click.group(cls=FriendlyGroup)
def main() -> None:
    """Run vantage6 nodes in containers."""


def _locate(context: "InstanceContext") -> dict[str, str]:
    from vantage6.node.container import files

    return files.locate(context)


def _stop(api: Any, running: "Running", force: bool) -> None:
    from vantage6.common.container import containers

    containers.stop(api, running, force=force)


COMMANDS = (
    *COMMANDS_OF_BOTH,
    attach_command(NODE),
    files_command(_locate),
    list_nodes,
    new_command("vnode"),
    start,
    stop_command(
        NODE, _stop, "Stop a node; containers of tasks run on, and its next start takes them up."
    ),
    version_command(NODE),
)
for _command in COMMANDS:
    main.add_command(_command)
