"""The command `vserver`: servers in containers, as an operator runs them."""

import click

from vantage6.common.cli import FriendlyGroup
from vantage6.server.cli.new import new_command
from vantage6.server.cli.vserver.attach import attach
from vantage6.server.cli.vserver.files import files
from vantage6.server.cli.vserver.import_file import import_file
from vantage6.server.cli.vserver.list import list_instances
from vantage6.server.cli.vserver.shell import shell
from vantage6.server.cli.vserver.start import start
from vantage6.server.cli.vserver.stop import stop
from vantage6.server.cli.vserver.version import version


@click.group(cls=FriendlyGroup)
def main() -> None:
    """Run vantage6 servers in containers."""


new = new_command("vserver")

for command in (attach, files, import_file, list_instances, new, shell, start, stop, version):
    main.add_command(command)
