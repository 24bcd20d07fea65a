"""What was asked, against what came back."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from development.soak.questions import Question


class Verdict(Enum):
    """What became of an attempt to have a question answered."""

    RIGHT = "right"
    WRONG = "wrong"
    TOLD_FAILED = "told failed"
    UNEXPLAINED = "failed without a reason of ours"
    LOST = "lost"
    OPEN = "left open"


@dataclass
class Attempt:
    """One task of the stream; times are those of `time.monotonic`."""

    question: Question
    number: int
    asked: float
    task_id: int | None = None
    ended: float | None = None
    verdict: Verdict = Verdict.OPEN
    note: str = ""

    @property
    def name(self) -> str:
        """Of its task."""
        return self.question.name(self.number)


@dataclass(frozen=True)
class Span:
    """When something was so broken that runs may fail; times as those of attempts.

    Attributes
    ----------
    began, ended : float
    reasons : tuple of str
        What a run may give as the reason then.
    """

    began: float
    ended: float
    reasons: tuple[str, ...]

    def explains(self, attempt: Attempt) -> bool:
        """Whether an attempt may have failed because of it."""
        overlaps = attempt.asked <= self.ended and self.began <= (attempt.ended or self.began)
        return overlaps and self.names(attempt.note)

    def names(self, text: str) -> bool:
        """Whether a text gives one of its reasons."""
        return any(reason in text for reason in self.reasons)


@dataclass(frozen=True)
class Surprise:
    """An error that a client was told; when, as those of attempts, and in words."""

    at: float
    text: str


@dataclass
class Ledger:
    """All attempts, and all that should not have happened; safe to use from several threads.

    Attributes
    ----------
    attempts : list of Attempt
    surprises : list of Surprise
        Errors that clients were told besides that the server is away; after `explain` those
        that none of the faults explains.
    patience : Counter
        How often clients had to wait for a server that was away.
    """

    attempts: list[Attempt] = field(default_factory=list)
    surprises: list[Surprise] = field(default_factory=list)
    patience: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def open(self, attempt: Attempt) -> Attempt:
        """Note that something is about to be asked."""
        with self._lock:
            self.attempts.append(attempt)
        return attempt

    def note_surprise(self, text: str) -> None:
        """Note an error that should not have been."""
        with self._lock:
            self.surprises.append(Surprise(time.monotonic(), text))

    def note_patience(self, text: str) -> None:
        """Note that a client had to try again."""
        with self._lock:
            self.patience[text] += 1

    def add_reasons(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add why runs and those of their subtasks failed, in full.

        A client is shown the last lines only, and what a container says while its engine is away
        is lost.

        Parameters
        ----------
        rows : sequence of dict
            `task_id`, `parent_id`, and the `log` of a run that failed.
        """
        failed = {one.task_id: one for one in self.attempts if one.verdict is Verdict.TOLD_FAILED}
        for row in rows:
            for id_ in (row["task_id"], row["parent_id"]):
                if id_ in failed:
                    failed[id_].note += f"\nrun of task {row['task_id']}: {row['log']}"

    def explain(self, spans: Sequence[Span]) -> None:
        """Find failures that nothing explains which happened while the task was under way.

        Parameters
        ----------
        spans : sequence of Span
            Losses of the engine's power, and disks that were full.
        """
        self.surprises = [
            one
            for one in self.surprises
            if not any(s.began <= one.at <= s.ended and s.names(one.text) for s in spans)
        ]
        for attempt in self.attempts:
            if attempt.verdict is Verdict.TOLD_FAILED and not any(
                span.explains(attempt) for span in spans
            ):
                attempt.verdict = Verdict.UNEXPLAINED

    def settled_early(self) -> list[Attempt]:
        """Those that were answered without waiting for all who were asked."""
        right = [one for one in self.attempts if one.verdict is Verdict.RIGHT]
        return [one for one in right if one.question.quorum is not None]

    def counts(self) -> dict[str, int]:
        """How many attempts ended how."""
        counted = Counter(attempt.verdict for attempt in self.attempts)
        return {verdict.value: counted[verdict] for verdict in Verdict}

    def unanswered(self) -> list[Question]:
        """The questions without a right answer in the end."""
        answered = {one.question for one in self.attempts if one.verdict is Verdict.RIGHT}
        return [one for one in self.questions() if one not in answered]

    def questions(self) -> list[Question]:
        """All that were asked, each once."""
        found: dict[int, Question] = {one.question.number: one.question for one in self.attempts}
        return list(found.values())


@dataclass(frozen=True)
class Books:
    """What the server's database says of the tasks of the stream.

    Attributes
    ----------
    repeated : list of str
        Tasks, subtasks and runs that are there twice.
    missing : list of str
        Those that clients were told of, and that are not there.
    open : list of str
        Runs that have not ended.
    runs : int
        How many there are.
    """

    repeated: list[str]
    missing: list[str]
    open: list[str]
    runs: int


def audit(ledger: Ledger, tasks: list[dict[str, Any]], runs: list[dict[str, Any]]) -> Books:
    """Compare the ledger with the rows of the database; pure.

    Parameters
    ----------
    ledger : Ledger
    tasks : list of dict
        `id`, `name`, `parent_id`.
    runs : list of dict
        `id`, `task_id`, `organization_id`, `finished_at`.
    """
    names = Counter(task["name"] for task in tasks if task["parent_id"] is None)
    children = Counter(task["parent_id"] for task in tasks if task["parent_id"] is not None)
    places = Counter((run["task_id"], run["organization_id"]) for run in runs)
    repeated = [f"task {name!r}: {count} times" for name, count in names.items() if count > 1]
    repeated += [f"subtasks of task {id_}: {n}" for id_, n in children.items() if n > 1]
    repeated += [f"runs of task and organization {key}: {n}" for key, n in places.items() if n > 1]
    known = {task["id"]: task["name"] for task in tasks}
    asked = {attempt.name for attempt in ledger.attempts}
    repeated += [f"task {name!r}, which nobody asked" for name in names if name not in asked]
    missing = [
        f"task {one.task_id} ({one.name})"
        for one in ledger.attempts
        if one.task_id is not None and known.get(one.task_id) != one.name
    ]
    open_ = [f"run {run['id']} of task {run['task_id']}" for run in runs if not run["finished_at"]]
    return Books(repeated, missing, open_, len(runs))
