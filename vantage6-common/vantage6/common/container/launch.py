"""Starting a container and waiting for its first good sign, or for its last words."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from vantage6.common.container import containers
from vantage6.common.container.containers import ContainerFailed, Program, explained

LINES_SHOWN = 20
_ANSWER_SECONDS = 5.0
_OF_COMMANDS = "Error: "

Sign = TypeVar("Sign")


def launch(api: Any, program: Program, wait: Callable[[str], Sign]) -> Sign:
    """Start a program in a container, and wait for a sign of it.

    Parameters
    ----------
    api : docker.APIClient
    program : Program
    wait : callable
        From the id of the container to the sign.

    Raises
    ------
    ContainerFailed
        When it does not come up, with the last it said.
    """
    container = containers.create(api, program)
    output = Output(api, container)
    try:
        containers.start(api, container)
        return wait(container)
    except ContainerFailed as error:
        if "restart_policy" in program.options:
            # It would be started again and again; what it said stays to be read.
            containers.halt(api, container)
        said = translate(output.last_lines().rstrip(), program.names)
        raise ContainerFailed(last_words(str(error), said)) from error
    finally:
        output.close()


def last_words(ending: str, said: str) -> str:
    """What to say of a program that ended, from how it ended and what it printed.

    One of our commands that gives up says so in a sentence, which is all that is needed.
    """
    for line in reversed(said.splitlines()):
        if line.startswith(_OF_COMMANDS):
            return f"{ending}: {line.removeprefix(_OF_COMMANDS)}"
    return f"{ending}. The last it said:\n{said}" if said else ending


def translate(text: str, names: Mapping[str, str]) -> str:
    """A text of a container with the names that its files have here."""
    for inside, here in names.items():
        text = text.replace(inside, here)
    return text


class Output:
    """What a container prints, from its first word on: it may be gone when it has ended.

    Parameters
    ----------
    api : docker.APIClient
    container : str
        Not started yet.
    """

    def __init__(self, api: Any, container: str) -> None:
        self._last: deque[str] = deque(maxlen=LINES_SHOWN)
        with explained():
            self._stream = api.attach(container, stream=True, logs=True)
        self._reader = threading.Thread(target=self._read, name="output", daemon=True)
        self._reader.start()

    def last_lines(self) -> str:
        """The last lines of a container that has ended."""
        self._reader.join(_ANSWER_SECONDS)
        return "".join(self._last)

    def close(self) -> None:
        """Listen no longer."""
        self._stream.close()
        self._reader.join(_ANSWER_SECONDS)

    def _read(self) -> None:
        rest = b""
        for piece in self._stream:
            *lines, rest = (rest + piece).split(b"\n")
            self._last.extend(f"{line.decode(errors='replace')}\n" for line in lines)
        if rest:
            self._last.append(f"{rest.decode(errors='replace')}\n")
