"""How we reach the container engine, and what it means when that fails."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import docker
import requests
from docker.errors import DockerException
from docker.utils import kwargs_from_env

from vantage6.node.runner.interface import EngineUnreachable

# Seconds; starting a container is the slowest of what we ask for.
_TIMEOUT = 120

log = logging.getLogger(__name__)


def connect(connections: int) -> docker.APIClient:
    """A client of the engine that the environment names, else of the one of this machine.

    Raises
    ------
    EngineUnreachable
        When there is none.
    """
    try:
        return docker.APIClient(
            version="auto", timeout=_TIMEOUT, max_pool_size=connections, **kwargs_from_env()
        )
    except (DockerException, requests.exceptions.RequestException) as error:
        raise EngineUnreachable(
            "No container engine answers. Is Docker installed and running, and may this user "
            f"talk to it? ({_innermost(error)})"
        ) from error


@contextmanager
def talking_to_engine() -> Iterator[None]:
    """Turn a lost connection into EngineUnreachable; the engine's refusals pass through."""
    try:
        yield
    except requests.exceptions.RequestException as error:
        if isinstance(error, requests.exceptions.HTTPError):
            raise
        raise EngineUnreachable(f"The container engine does not answer: {error}") from error


def _innermost(error: BaseException) -> str:
    """The plainest reason in a chain of exceptions: `Permission denied`, not the wrapping."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
