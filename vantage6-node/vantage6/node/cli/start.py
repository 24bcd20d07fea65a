"""`vnode-local start`."""

import logging
import signal
from pathlib import Path

import click

from vantage6.common import __version__
from vantage6.common.context import InstanceContext
from vantage6.common.exceptions import Vantage6Error
from vantage6.common.log import setup_logging
from vantage6.node import assembly
from vantage6.node.cli.options import with_instance
from vantage6.node.container.inside import in_container
from vantage6.node.daemon import Daemon

log = logging.getLogger(__name__)


@click.command()
@with_instance
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
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep this file while the server knows the node and it takes tasks.",
)
@click.option(
    "--take-over",
    is_flag=True,
    help="Take the runs that another process of this node has, and has not finished: when that "
    "one will not come back. Otherwise they are taken ten minutes after its last word.",
)
def start(
    context: InstanceContext,
    dockerized: bool,
    kill_on_exit: bool,
    replace_public_key: bool,
    ready_file: Path | None,
    take_over: bool,
) -> None:
    """Run a node until it is stopped with Ctrl-C or SIGTERM."""
    if dockerized:
        context = in_container(context)
    setup_logging(context)
    # That a connection was lost is for us to say.
    logging.getLogger("engineio.client").setLevel(logging.ERROR)
    log.info("vantage6 node %s: %s, environment %s", __version__, context.name, context.environment)
    try:
        daemon = assembly.build(
            context,
            dockerized=dockerized,
            kill_on_exit=kill_on_exit,
            replace_public_key=replace_public_key,
            on_ready=lambda: _write(ready_file),
            take_over=take_over,
        )
        _stop_on_signals(daemon)
        daemon.run()
    except Vantage6Error as error:
        # The log file shall say it too; the command ends with it as its last line.
        log.critical("The node cannot go on: %s", error)
        raise
    finally:
        if ready_file:
            ready_file.unlink(missing_ok=True)
    log.info("The node has stopped")


def _write(ready_file: Path | None) -> None:
    if ready_file:
        ready_file.touch(mode=0o600)


def _stop_on_signals(daemon: Daemon) -> None:
    def stop(number: int, _: object) -> None:
        daemon.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
