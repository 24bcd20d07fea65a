"""`vnode-local`: the node itself, as it runs on a machine or inside its container."""

import click

from vantage6.common.cli import FriendlyGroup, list_command
from vantage6.node.cli.audit import audit
from vantage6.node.cli.files import files
from vantage6.node.cli.image import image
from vantage6.node.cli.keys import keys
from vantage6.node.cli.new import new
from vantage6.node.cli.policy import policy
from vantage6.node.cli.start import start
from vantage6.node.cli.version import version


@click.group(cls=FriendlyGroup)
def main() -> None:
    """Run a node of vantage6 here, without a container around it."""


list_instances = list_command("node", system_first=False)

for _command in (new, start, list_instances, files, version, policy, audit, image, keys):
    main.add_command(_command)
