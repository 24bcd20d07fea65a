"""`vnode-local start`."""

import dataclasses
import logging
import signal

import click

from vantage6.common import __version__
from vantage6.common.cli import instance_options, select_context
from vantage6.common.context import InstanceContext
from vantage6.common.exceptions import Vantage6Error
from vantage6.common.log import setup_logging
from vantage6.node import assembly
from vantage6.node.configuration import NodeSchema
from vantage6.node.daemon import Daemon
from vantage6.node.globals import CONTAINER_DATA, CONTAINER_LOG

log = logging.getLogger(__name__)


@click.command()
@instance_options(default_environment="application", default_system=False)
@click.option(
    "--dockerized/-non-dockerized",
    default=False,
    help="Whether the node itself runs in a container.",
)
@click.option(
    "--kill-on-exit",
    is_flag=True,
    help="At the end, kill running containers; their runs begin anew at the next start. "
    "Otherwise they run on, and the next start takes them up.",
)
@click.option(
    "--replace-public-key",
    is_flag=True,
    help="Replace the public key of the organization at the server by that of this node.",
)
def start(
    name: str | None,
    config: str | None,
    environment: str,
    system_folders: bool,
    dockerized: bool,
    kill_on_exit: bool,
    replace_public_key: bool,
) -> None:
    """Run a node until it is stopped with Ctrl-C or SIGTERM."""
    context = select_context(
        "node",
        NodeSchema(),
        name=name,
        config=config,
        environment=environment,
        system_folders=system_folders,
    )
    if dockerized:
        context = in_container(context)
    setup_logging(context)
    # That a connection was lost is for us to say.
    logging.getLogger("engineio.client").setLevel(logging.ERROR)
    log.info("vantage6 node %s: %s, environment %s", __version__, context.name, environment)
    try:
        daemon = assembly.build(
            context,
            dockerized=dockerized,
            kill_on_exit=kill_on_exit,
            replace_public_key=replace_public_key,
        )
        _stop_on_signals(daemon)
        daemon.run()
    except Vantage6Error as error:
        # The log file shall say it too; the command ends with it as its last line.
        log.critical("The node cannot go on: %s", error)
        raise
    log.info("The node has stopped")


def in_container(context: InstanceContext) -> InstanceContext:
    """The context of a node in a container, whose folders are fixed."""
    folders = {"data": CONTAINER_DATA, "log": CONTAINER_LOG}
    config = {**context.config, "directories": folders, "task_dir": None}
    return dataclasses.replace(context, config=config)


def _stop_on_signals(daemon: Daemon) -> None:
    def stop(number: int, _: object) -> None:
        daemon.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
