"""A program in a running container, with the terminal or the input of this process."""

import os
import select
import shutil
import signal
import socket
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from docker.utils.socket import STDERR, frames_iter

from vantage6.common.container.containers import explained

_PIECE = 65536


def run(api: Any, container: str, command: Sequence[str], *, has_input: bool) -> int:
    """Run a program in a container and be its terminal; the exit code.

    Where this process has no terminal itself, the program gets our input to its end.

    Parameters
    ----------
    api : docker.APIClient
    container : str
    command : sequence of str
    has_input : bool
        Whether the program reads anything at all.
    """
    has_terminal = has_input and sys.stdin.isatty() and sys.stdout.isatty()
    with explained():
        program = api.exec_create(
            container,
            list(command),
            stdin=True,
            tty=has_terminal,
            environment={"TERM": os.environ.get("TERM", "dumb")} if has_terminal else None,
        )["Id"]
        stream = api.exec_start(program, tty=has_terminal, socket=True)
    connection = getattr(stream, "_sock", stream)
    try:
        if has_terminal:
            _be_its_terminal(api, program, connection)
        else:
            _feed(connection, sys.stdin.buffer.read() if has_input else b"")
    finally:
        stream.close()
    with explained():
        return int(api.exec_inspect(program)["ExitCode"] or 0)


def output_of(api: Any, container: str, command: Sequence[str]) -> tuple[int, str]:
    """The exit code of a program in a container, and what it printed."""
    with explained():
        program = api.exec_create(container, list(command))["Id"]
        printed = api.exec_start(program)
        code = api.exec_inspect(program)["ExitCode"]
    return int(code), printed.decode(errors="replace")


def _feed(connection: socket.socket, text: bytes) -> None:
    """Give a program all of its input, then pass on what it prints."""
    connection.sendall(text)
    connection.shutdown(socket.SHUT_WR)
    for kind, piece in frames_iter(connection, tty=False):
        target = sys.stderr if kind == STDERR else sys.stdout
        target.buffer.write(piece)
        target.flush()


def _be_its_terminal(api: Any, program: str, connection: socket.socket) -> None:
    keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()
    with _raw(keyboard), _following_the_size(api, program):
        while True:
            ready, _, _ = select.select([keyboard, connection], [], [])
            if connection in ready:
                piece = connection.recv(_PIECE)
                if not piece:
                    return
                os.write(screen, piece)
            if keyboard in ready:
                typed = os.read(keyboard, _PIECE)
                if not typed:
                    return
                connection.sendall(typed)


@contextmanager
def _raw(terminal: int) -> Iterator[None]:
    """Pass every key on as it is, Ctrl+C too: it is meant for the program."""
    before = termios.tcgetattr(terminal)
    try:
        tty.setraw(terminal)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


@contextmanager
def _following_the_size(api: Any, program: str) -> Iterator[None]:
    """Give the program's terminal the size of ours, now and when it changes."""

    def resize(*_: object) -> None:
        columns, rows = shutil.get_terminal_size()
        api.exec_resize(program, height=rows, width=columns)

    before = signal.signal(signal.SIGWINCH, resize)
    try:
        resize()
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
