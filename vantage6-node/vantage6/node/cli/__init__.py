"""`vnode-local`: the node itself, as it runs on a machine or inside its container."""

import click

from vantage6.common.cli import FriendlyGroup
from vantage6.node.cli.both import COMMANDS_OF_BOTH
from vantage6.node.cli.files import files
from vantage6.node.cli.list import list_nodes
from vantage6.node.cli.new import new_command
from vantage6.node.cli.start import start
from vantage6.node.cli.status import status
from vantage6.node.cli.version import version


@click.group(cls=FriendlyGroup)
def main() -> None:
    """Run a node of vantage6 here, without a container around it."""


COMMANDS = (
    *COMMANDS_OF_BOTH,
    files,
    list_nodes,
    new_command("vnode-local"),
    start,
    status,
    version,
)
for _command in COMMANDS:
    main.add_command(_command)
