"""The command `vserver-local`: a server in a process of its own, without Docker."""

import click

from vantage6.common.cli import FriendlyGroup, list_command
from vantage6.server.cli.files import files
from vantage6.server.cli.import_file import import_file
from vantage6.server.cli.migrate import migrate
from vantage6.server.cli.new import new_command
from vantage6.server.cli.shell import shell
from vantage6.server.cli.start import start
from vantage6.server.cli.version import version


@click.group(cls=FriendlyGroup)
def main() -> None:
    """Run a vantage6 server in this process, without Docker."""


list_instances = list_command("server", system_first=True)
new = new_command("vserver-local")

for command in (files, import_file, list_instances, migrate, new, shell, start, version):
    main.add_command(command)
