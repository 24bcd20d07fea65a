"""How we reach the container engine: as everybody does, with the errors of a runner."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from docker.errors import APIError

from vantage6.common import engine
from vantage6.common import exceptions as common
from vantage6.node.runner.interface import EngineUnreachable

# Seconds; starting a container is the slowest of what we ask for.
_TIMEOUT = 120


def connect(connections: int, timeout: int = _TIMEOUT) -> Any:
    """A client of the engine that the environment names, else of the one of this machine.

    Raises
    ------
    EngineUnreachable
        When there is none.
    """
    with _as_runner_error():
        return engine.connect(timeout=timeout, connections=connections)


@contextmanager
def talking_to_engine() -> Iterator[None]:
    """Turn a lost connection into EngineUnreachable; the engine's refusals pass through."""
    with _as_runner_error(), engine.talking_to_engine():
        yield


@contextmanager
def _as_runner_error() -> Iterator[None]:
    try:
        yield
    except common.EngineUnreachable as error:
        raise EngineUnreachable(str(error)) from error


def words(error: APIError) -> str:
    """What the engine said, without the frame of the protocol."""
    explanation = error.explanation or str(error)
    return explanation.decode() if isinstance(explanation, bytes) else explanation


# What the engine says of a file that was there when the node looked
_GONE = re.compile(
    r'(?:invalid mount config for type "bind": )?bind source path does not exist: (.+)'
)


def as_inside(text: str, paths: Mapping[str, str]) -> str:
    """A reason of the engine with paths as the container knows them: ours are not for others.

    Parameters
    ----------
    text : str
    paths : mapping
        Paths of this machine, and where they are in the container.
    """
    for path in sorted(paths, key=len, reverse=True):
        text = text.replace(path, paths[path])
    return _GONE.sub(r"\1 is not there any more, on the disk of this node", text)
