"""What the daemon asks beside its loop, on worker threads; each answer is a message."""

import logging
from collections.abc import Callable, Collection
from typing import Any

from vantage6.common.exceptions import ServerError, ServerUnreachable
from vantage6.node.messages import (
    Fatal,
    Happened,
    Killed,
    Listed,
    LoggedIn,
    Looked,
    ServerAway,
    Synced,
    Taken,
)
from vantage6.node.runner.interface import Runner, RunnerError
from vantage6.node.server import ApiKeyRefused, Identity, Server
from vantage6.node.state import Unwanted
from vantage6.node.work import RunWork
from vantage6.node.workers import Workers

# Seconds between two words to the server that we are there; a tenth of what it waits for.
_KEEPING = 60.0

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
        self._kept_at = float("-inf")

    def log_in(self, settle: Callable[[Identity], RunWork]) -> None:
        """Become known to the server, and see that we can work for it."""
        self._calls.submit(lambda: self._tell(self._log_in(settle)))

    def ask(self, node_id: int, task_id: int | None) -> None:
        """Ask what there is to do; of one task or of all."""
        asked_at = self._clock()
        self._calls.submit(lambda: self._ask(node_id, task_id, asked_at))

    def take(self, limit: int, held: Collection[int], *, only_subtasks: bool) -> None:
        """Ask for as many runs as there is room for, of all or of subtasks."""
        asked_at = self._clock()
        self._calls.submit(lambda: self._tell(self._take(limit, held, only_subtasks, asked_at)))

    def compare(self, node_id: int) -> None:
        """Ask which runs that have begun the server thinks that we have."""
        asked_at = self._clock()
        self._calls.submit(lambda: self._compare(node_id, asked_at))

    def ask_for_killed(self, node_id: int) -> None:
        """Ask which of our runs were killed, without our word that nothing is left of them."""
        self._calls.submit(lambda: self._ask_for_killed(node_id))

    def confirm(self, result_id: int) -> None:
        """Ask whether a run is still wanted; nothing is said when it is."""
        self._calls.submit(lambda: self._confirm(result_id))

    def look(self) -> None:
        """See which containers there are."""
        looked_at = self._clock()
        self._calls.submit(lambda: self._look(looked_at))

    def answer(self, node_id: int, task_id: int | None, asked_at: float) -> Any:
        """What the server says there is to do."""

        def ask() -> Synced:
            return Synced(self._server.open_runs(node_id, task_id), task_id is None, asked_at)

        return self._answer_to(ask)

    def _answer_to(self, ask: Callable[[], Any]) -> Any:
        """What a question is answered with, or what stands in the way."""
        try:
            return ask()
        except ApiKeyRefused as error:
            return Fatal(error)
        except (ServerUnreachable, ServerError) as error:
            return ServerAway(str(error))
        except Exception as error:
            log.exception("The server's answer could not be understood")
            return ServerAway(f"{type(error).__name__}: {error}")

    def _ask(self, node_id: int, task_id: int | None, asked_at: float) -> None:
        is_time = task_id is None and self._is_time_to_keep(asked_at)
        self._tell(self.answer(node_id, task_id, asked_at))
        if is_time:
            # The news of their kill may have been missed.
            self._ask_for_killed(node_id)

    def _take(self, limit: int, held: Collection[int], only_subtasks: bool, asked_at: float) -> Any:
        def ask() -> Taken:
            runs = self._server.take(limit, held, only_subtasks=only_subtasks)
            return Taken(runs, limit, only_subtasks, asked_at)

        return self._answer_to(ask)

    def _compare(self, node_id: int, asked_at: float) -> None:
        is_time = self._is_time_to_keep(asked_at)
        self._tell(self._answer_to(lambda: Listed(self._server.begun_runs(node_id), asked_at)))
        if is_time:
            self._ask_for_killed(node_id)

    def _is_time_to_keep(self, asked_at: float) -> bool:
        """Whether a while has passed since we said that we are here; then it is said."""
        is_time = asked_at - self._kept_at >= _KEEPING
        if is_time:
            self._keep_claims(asked_at)
        return is_time

    def _keep_claims(self, asked_at: float) -> None:
        try:
            self._server.keep_claims()
            self._kept_at = asked_at
        except Exception as error:  # noqa: BLE001 - the next question meets the same, and says so
            log.warning("The claims of this node could not be kept: %r", error)

    def _ask_for_killed(self, node_id: int) -> None:
        try:
            self._tell(Killed(self._server.killed_runs(node_id)))
        except (ServerUnreachable, ServerError, ApiKeyRefused) as error:
            log.debug("Which runs were killed is not known: %s", error)

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
