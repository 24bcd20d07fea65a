"""How the container engine is reached, and what it means when that fails.

Only for those parts that run containers: the library of the engine comes with the extra `engine`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import docker
import requests
from docker.errors import DockerException
from docker.utils import kwargs_from_env

from vantage6.common.exceptions import EngineUnreachable


def connect(*, timeout: int, connections: int) -> Any:
    """A client of the engine that the environment names, else of the one of this machine.

    Parameters
    ----------
    timeout : int
        Seconds that one request may take.
    connections : int
        How many requests there may be at once.

    Raises
    ------
    EngineUnreachable
        When there is none.
    """
    try:
        return docker.APIClient(
            version="auto", timeout=timeout, max_pool_size=connections, **kwargs_from_env()
        )
    except (DockerException, requests.exceptions.RequestException) as error:
        raise EngineUnreachable(
            "No container engine answers. Is Docker installed and running, and may this user "
            f"talk to it? ({innermost(error)})"
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


def innermost(error: BaseException) -> str:
    """The plainest reason in a chain of exceptions: `Permission denied`, not the wrapping."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
