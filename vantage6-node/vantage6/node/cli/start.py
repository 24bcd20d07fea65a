"""`vnode-local start`."""

import logging
import resource
import signal
from pathlib import Path

import click

from vantage6.common import __version__
from vantage6.common.context import InstanceContext
from vantage6.common.exceptions import Vantage6Error
from vantage6.common.log import setup_logging
from vantage6.node import assembly
from vantage6.node.cli.options import (
    replace_public_key_option,
    take_over_option,
    with_instance_or_wizard,
)
from vantage6.node.container.inside import in_container
from vantage6.node.daemon import Daemon

# Each run may hold some hundred connections, and none may be short of them for another's sake.
_FILES = 2**16

log = logging.getLogger(__name__)


@click.command()
@with_instance_or_wizard
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
@replace_public_key_option
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep this file while the server knows the node and it takes tasks.",
)
@take_over_option
@click.option(
    "--only-once",
    "once_file",
    type=click.Path(path_type=Path, dir_okay=False),
    hidden=True,
    help="Replace a key or take over only if this file is there, and remove it: `vnode start` says "
    "so, whose command a container repeats whenever the engine starts it again.",
)
def start(
    context: InstanceContext,
    dockerized: bool,
    kill_on_exit: bool,
    replace_public_key: bool,
    ready_file: Path | None,
    take_over: bool,
    once_file: Path | None,
) -> None:
    """Run a node until it is stopped with Ctrl-C or SIGTERM."""
    if dockerized:
        context = in_container(context)
    setup_logging(context)
    # That a connection was lost is for us to say.
    logging.getLogger("engineio.client").setLevel(logging.ERROR)
    log.info("vantage6 node %s: %s, environment %s", __version__, context.name, context.environment)
    allow_files()
    if ready_file:
        # One that was killed has left it.
        ready_file.unlink(missing_ok=True)
    is_wanted = once_file is None or _consume(once_file)
    try:
        daemon = assembly.build(
            context,
            dockerized=dockerized,
            kill_on_exit=kill_on_exit,
            replace_public_key=replace_public_key and is_wanted,
            on_ready=lambda: _write(ready_file),
            take_over=take_over and is_wanted,
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


def allow_files() -> None:
    """Have as many files open as the system lets us; by default it is not enough for ten runs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _consume(file: Path) -> bool:
    """Whether the file was there; now it is not."""
    try:
        file.unlink()
    except FileNotFoundError:
        return False
    return True


def _write(ready_file: Path | None) -> None:
    if ready_file:
        ready_file.touch(mode=0o600)


def _stop_on_signals(daemon: Daemon) -> None:
    def stop(number: int, _: object) -> None:
        daemon.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
