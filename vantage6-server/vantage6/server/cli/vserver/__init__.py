"""The command `vserver`: servers in containers, as an operator runs them."""

from typing import TYPE_CHECKING, Any

import click

from vantage6.common.cli import FriendlyGroup, list_command
from vantage6.common.container.commands import (
    attach_command,
    find_online,
    stop_command,
    version_command,
)
from vantage6.server.cli.new import new_command
from vantage6.server.cli.vserver.files import files
from vantage6.server.cli.vserver.import_file import import_file
from vantage6.server.cli.vserver.options import SERVER
from vantage6.server.cli.vserver.shell import shell
from vantage6.server.cli.vserver.start import start

if TYPE_CHECKING:
    from vantage6.common.container.containers import Running


@click.group(cls=FriendlyGroup)
def main() -> None:
    """Run vantage6 servers in containers."""


def _stop(api: Any, running: "Running", force: bool) -> None:
    from vantage6.server.container import network

    network.stop(api, running, force=force)


attach = attach_command(SERVER)
list_instances = list_command(
    "server", system_first=True, find_running=lambda _: find_online(SERVER)
)
new = new_command("vserver")
stop = stop_command(SERVER, _stop, "Stop a server; requests that it is answering are answered.")
version = version_command(SERVER)

for command in (attach, files, import_file, list_instances, new, shell, start, stop, version):
    main.add_command(command)
