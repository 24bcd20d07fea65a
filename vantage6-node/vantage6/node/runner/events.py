"""What happens to the containers of a node, as the engine tells it."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from docker.errors import DockerException

from vantage6.common.retry import Backoff
from vantage6.node.runner.engine import talking_to_engine
from vantage6.node.runner.interface import RunnerError
from vantage6.node.runner.settings import INSTANCE_LABEL

_LONGEST_PAUSE = 10

log = logging.getLogger(__name__)


class Events:
    """Listens to the ends of containers, again whenever the engine stops telling of them.

    Parameters
    ----------
    api : docker.APIClient
    instance : str
        Of the node whose containers they are.
    """

    def __init__(self, api: Any, instance: str) -> None:
        self._api, self._instance = api, instance
        self._closing = threading.Event()
        self._stream: Any = None

    def start(self, begin: Callable[[], None], ended: Callable[[Mapping[str, Any]], None]) -> None:
        """Listen on a thread of its own.

        Parameters
        ----------
        begin : callable
            Called each time when events reach us; what happened before must be looked up.
        ended : callable
            Gets what the engine says of a container that ended.
        """
        threading.Thread(
            target=self._listen, args=(begin, ended), name="engine", daemon=True
        ).start()

    def close(self) -> None:
        """Listen no more."""
        self._closing.set()
        if self._stream is not None:
            self._stream.close()

    def _listen(
        self, begin: Callable[[], None], ended: Callable[[Mapping[str, Any]], None]
    ) -> None:
        backoff = Backoff(limit=_LONGEST_PAUSE)
        while not self._closing.is_set():
            try:
                with talking_to_engine():
                    self._stream = self._api.events(decode=True, filters=self._filters())
                    begin()
                    backoff.reset()
                    for event in self._stream:
                        ended(event["Actor"])
            except (RunnerError, DockerException) as error:
                log.warning("No events from the container engine: %s", error)
            self._closing.wait(backoff.pause())

    def _filters(self) -> dict[str, str]:
        label = f"{INSTANCE_LABEL}={self._instance}"
        return {"type": "container", "event": "die", "label": label}
