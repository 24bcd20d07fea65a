"""What the daemon asks beside its loop, on worker threads; each answer is a message."""

import logging
from collections.abc import Callable
from typing import Any

from vantage6.common.exceptions import ServerError, ServerUnreachable
from vantage6.node.messages import Fatal, Happened, LoggedIn, Looked, ServerAway, Synced
from vantage6.node.runner.interface import Runner, RunnerError
from vantage6.node.server import ApiKeyRefused, Identity, Server
from vantage6.node.state import Unwanted
from vantage6.node.work import RunWork
from vantage6.node.workers import Workers

log = logging.getLogger(__name__)


class Inquiry:
    """Asks server and engine, and tells what they say.

    Parameters
    ----------
    server : Server
    runner : Runner
    calls : Workers
    tell : callable
        Takes the messages; called on other threads.
    clock : callable
    """

    def __init__(
        self,
        server: Server,
        runner: Runner,
        calls: Workers,
        tell: Callable[[Any], None],
        clock: Callable[[], float],
    ) -> None:
        self._server, self._runner, self._calls = server, runner, calls
        self._tell, self._clock = tell, clock

    def log_in(self, settle: Callable[[Identity], RunWork]) -> None:
        """Become known to the server, and see that we can work for it."""
        self._calls.submit(lambda: self._tell(self._log_in(settle)))

    def ask(self, node_id: int, task_id: int | None) -> None:
        """Ask what there is to do; of one task or of all."""
        asked_at = self._clock()
        self._calls.submit(lambda: self._tell(self.answer(node_id, task_id, asked_at)))

    def confirm(self, result_id: int) -> None:
        """Ask whether a run is still wanted; nothing is said when it is."""
        self._calls.submit(lambda: self._confirm(result_id))

    def look(self) -> None:
        """See which containers there are."""
        looked_at = self._clock()
        self._calls.submit(lambda: self._look(looked_at))

    def answer(self, node_id: int, task_id: int | None, asked_at: float) -> Any:
        """What the server says there is to do."""
        try:
            runs = self._server.open_runs(node_id, task_id)
            return Synced(runs, task_id is None, asked_at)
        except ApiKeyRefused as error:
            return Fatal(error)
        except (ServerUnreachable, ServerError) as error:
            return ServerAway(str(error))
        except Exception as error:
            log.exception("The server's answer could not be understood")
            return ServerAway(f"{type(error).__name__}: {error}")

    def _log_in(self, settle: Callable[[Identity], RunWork]) -> Any:
        try:
            identity = self._server.log_in()
            return LoggedIn(identity, settle(identity))
        except (ServerUnreachable, ServerError) as error:
            return ServerAway(str(error))
        except Exception as error:  # noqa: BLE001 - it ends the node, and is raised there
            return Fatal(error)

    def _confirm(self, result_id: int) -> None:
        try:
            if not self._server.wants(result_id):
                log.info("Run %d is not wanted any more", result_id)
                self._tell(Happened(result_id, Unwanted()))
        except (ServerUnreachable, ServerError) as error:
            log.debug("Whether run %d is wanted is not known: %s", result_id, error)

    def _look(self, looked_at: float) -> None:
        try:
            self._tell(Looked(self._runner.look(), looked_at))
        except RunnerError as error:
            log.warning("%s", error)
