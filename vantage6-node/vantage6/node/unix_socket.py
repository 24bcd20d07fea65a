"""Unix sockets in the folders that we share with relays."""

import logging
import os
import socket
from pathlib import Path

log = logging.getLogger(__name__)


def listen(folder: Path, name: str, backlog: int) -> socket.socket:
    """Listen in a folder; whoever owns it may connect, and nobody else."""
    (folder / name).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # The address of a Unix socket has 107 characters at most; folders may be deeper.
        listener.bind(f"/proc/self/fd/{directory}/{name}")
        owner = os.fstat(directory)
        os.chown(name, owner.st_uid, owner.st_gid, dir_fd=directory)
        os.chmod(name, 0o600, dir_fd=directory)
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    finally:
        os.close(directory)
    return listener


def hang_up(connection: socket.socket) -> None:
    """End a connection in both directions, or wake whoever waits for one."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        log.debug("A connection was closed already: %s", error)
