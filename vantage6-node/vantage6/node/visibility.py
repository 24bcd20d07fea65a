"""Whether the server sees a node: asked at the server, as nobody else knows."""

import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from vantage6.common.container.settings import HOST_NAME
from vantage6.common.exceptions import ConfigurationError, ServerError, ServerUnreachable
from vantage6.node import assembly
from vantage6.node.server import ApiKeyRefused

NOT_REACHABLE = "not reachable"
UNKNOWN = "known only while it runs"
# Seconds. Whoever lists nodes does not wait for a server that is away.
PATIENCE = 8.0


def ask(config: Mapping[str, Any]) -> str:
    """What the server says of a node: `online` or `offline`, else why nothing is known.

    Parameters
    ----------
    config : mapping
        One environment of the configuration of a node.
    """
    if not config["api_key"]:
        return "no API key"
    try:
        server = assembly.connect(config)
    except ConfigurationError as error:
        return str(error)
    try:
        return server.seen_as()
    except ApiKeyRefused:
        return "API key refused"
    except (ServerUnreachable, ServerError):
        return UNKNOWN if is_known_inside_only(config) else NOT_REACHABLE
    finally:
        server.close()


def is_known_inside_only(config: Mapping[str, Any]) -> bool:
    """Whether the server has the name by which containers alone call the machine they are on."""
    if urlsplit(config["server_url"]).hostname != HOST_NAME:
        return False
    try:
        socket.gethostbyname(HOST_NAME)
    except OSError:
        return True
    return False


def ask_all(questions: Sequence[Callable[[], str]], patience: float = PATIENCE) -> list[str]:
    """The answers to questions that are asked side by side; who takes too long is not reachable.

    Parameters
    ----------
    questions : sequence of callable
    patience : float
        Seconds for all of them together.
    """
    answers = [NOT_REACHABLE] * len(questions)
    done = threading.Semaphore(0)

    def put(number: int) -> None:
        try:
            answers[number] = questions[number]()
        finally:
            done.release()

    # Daemons: a call that hangs must not keep the command from ending.
    for number in range(len(questions)):
        threading.Thread(target=put, args=(number,), daemon=True).start()
    _wait(done, len(questions), patience)
    return list(answers)


def _wait(done: threading.Semaphore, number: int, patience: float) -> None:
    end = time.monotonic() + patience
    for _ in range(number):
        if not done.acquire(timeout=max(0.0, end - time.monotonic())):
            return
