"""Researchers who ask one question after the other, and do not give up."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from development.soak.houses import House
from development.soak.ledger import Attempt, Ledger, Verdict
from development.soak.questions import Question, wrong_ones
from development.soak.world import ALGORITHM, World
from vantage6.common.exceptions import (
    ConfigurationError,
    ServerUnreachable,
    ServiceUnavailable,
    TaskFailed,
    Vantage6Error,
)

#: How often a question is asked again whose runs were killed with their engine.
ATTEMPTS = 20
# Seconds
_PAUSE = 0.5
_LOOK = 30.0

T = TypeVar("T")


class Stream:
    """Asks questions side by side until there are no more.

    Parameters
    ----------
    world : World
    questions : iterator of Question
    ledger : Ledger
    researchers : int
        How many questions are open at a time.
    patience : float
        Seconds after which a task that has not ended counts as left open.
    """

    def __init__(
        self,
        world: World,
        questions: Iterator[Question],
        ledger: Ledger,
        *,
        researchers: int,
        patience: float,
    ) -> None:
        self._world, self._questions, self._ledger = world, questions, ledger
        self._patience = patience
        self._lock = threading.Lock()
        self.failures: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._live, name=f"researcher-{number}", daemon=True)
            for number in range(researchers)
        ]

    def start(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

    def read_late(self) -> None:
        """Compare also what came after its task was settled, once all runs have ended."""
        researcher = _Researcher(self._world, self._ledger, self._patience)
        for attempt in self._ledger.settled_early():
            try:
                researcher.read_late(attempt)
            except Exception as error:  # noqa: BLE001 - it stands in the books, which go on
                self.failures.append(error)

    def is_over(self) -> bool:
        """Whether all questions are settled."""
        return not any(thread.is_alive() for thread in self._threads)

    def _live(self) -> None:
        try:
            researcher = _Researcher(self._world, self._ledger, self._patience)
            while question := self._next():
                researcher.settle(question)
        except BaseException as error:
            self.failures.append(error)
            raise

    def _next(self) -> Question | None:
        with self._lock:
            return next(self._questions, None)


class _Researcher:
    """Asks one question at a time, as somebody of any house."""

    def __init__(self, world: World, ledger: Ledger, patience: float) -> None:
        self._world, self._ledger, self._patience = world, ledger, patience
        self._clients: dict[str, Any] = {}
        self._ids: dict[str, int] = {}

    def settle(self, question: Question) -> None:
        """Have a question answered, again where its runs were killed with their engine."""
        for number in range(1, ATTEMPTS + 1):
            attempt = self._ledger.open(Attempt(question, number, time.monotonic()))
            self._try(attempt)
            attempt.ended = time.monotonic()
            if attempt.verdict is not Verdict.TOLD_FAILED:
                return

    def _try(self, attempt: Attempt) -> None:
        client = self._client(attempt.question.asker)
        task_id = attempt.task_id = self._patiently(lambda: self._ask(client, attempt))
        end = attempt.asked + self._patience
        while time.monotonic() < end:
            try:
                answers = self._patiently(
                    lambda: client.task.wait(
                        task_id, timeout=_LOOK, show_progress=False, by_organization=True
                    )
                )
            except TimeoutError:
                continue
            except TaskFailed as error:
                attempt.verdict, attempt.note = Verdict.TOLD_FAILED, str(error)
                return
            self._judge(attempt, answers)
            if attempt.question.is_large:
                # Else the small disk of the payloads were full for good.
                self._patiently(lambda: client.task.delete_payload(task_id))
            return

    def read_late(self, attempt: Attempt) -> None:
        """Judge what came after the task was settled; a failure is entered as an attempt."""
        client, question, task_id = (
            self._client(attempt.question.asker),
            attempt.question,
            attempt.task_id,
        )
        answers, failures = self._patiently(
            lambda: client.task.results(
                task_id, by_organization=True, allow_failures=True, late=True, show_progress=False
            )
        )
        expected = question.expected(self._world.houses, attempt.number)
        if wrong := wrong_ones(answers, expected):
            attempt.verdict, attempt.note = Verdict.WRONG, f"late answers of {', '.join(wrong)}"
        for name, failure in failures.items():
            late = replace(attempt, verdict=Verdict.TOLD_FAILED, ended=time.monotonic())
            late.note = f"late, of {name} ({failure.status}): {failure.reason}"
            self._ledger.open(late)

    def _judge(self, attempt: Attempt, answers: Mapping[str, Any]) -> None:
        expected = attempt.question.expected(self._world.houses, attempt.number)
        is_right = attempt.question.is_right(answers, expected)
        attempt.verdict = Verdict.RIGHT if is_right else Verdict.WRONG
        if not is_right:
            attempt.note = f"{answers!s:.200} instead of {expected!s:.200}"

    def _ask(self, client: Any, attempt: Attempt) -> int:
        """Create the task, unless an order that was lost has created it all the same."""
        if (found := _find(client, attempt.name)) is not None:
            return found
        question = attempt.question
        task = client.task.create(
            self._id(client, question.collaboration, client.collaboration.list),
            [self._id(client, house.name, client.organization.list) for house in question.asked],
            name=attempt.name,
            image=ALGORITHM.tag,
            input={
                "method": question.method,
                "kwargs": {"question": attempt.name, **question.kwargs},
            },
            quorum=question.quorum,
        )
        return int(task["id"])

    def _id(self, client: Any, name: str, list_all: Callable[..., Any]) -> int:
        if name not in self._ids:
            self._ids |= {one["name"]: one["id"] for one in _rows(list_all())}
        return self._ids[name]

    def _client(self, house: House) -> Any:
        if house.name not in self._clients:
            self._clients[house.name] = self._patiently(lambda: self._world.client(house))
        return self._clients[house.name]

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Repeat a question while the server is away; what else goes wrong is a surprise."""
        while True:
            try:
                return ask()
            except (TaskFailed, ConfigurationError):
                raise
            except (ServerUnreachable, ServiceUnavailable) as error:
                self._ledger.note_patience(type(error).__name__)
            except Vantage6Error as error:
                self._ledger.note_surprise(f"{type(error).__name__}: {error}")
            time.sleep(_PAUSE)


def _find(client: Any, name: str) -> int | None:
    found = [one["id"] for one in _rows(client.task.list(name=name)) if one["name"] == name]
    return int(found[0]) if found else None


def _rows(answer: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = answer["data"] if isinstance(answer, dict) else answer
    return rows
