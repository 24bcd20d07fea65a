"""What a soak found: printed, and kept as JSON and CSV."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from development.soak.drawing import Break, draw
from development.soak.ledger import Attempt, Ledger, Verdict


@dataclass
class Report:
    """See the module.

    Attributes
    ----------
    seed : int
    seconds : float
        From the first question to the last answer.
    runs : int
        Of tasks and subtasks, as the database has them.
    executions : int
        Of containers, as they say themselves.
    verdicts, faults : dict
        Counts.
    lost, duplicated, wrong, open, unexplained, surprises, left : list of str
        All must be empty.
    """

    seed: int
    seconds: float = 0
    runs: int = 0
    executions: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    waits: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def ledger(self) -> dict[str, list[str]]:
        """What must not be, under the names that are printed."""
        return {
            "lost": self.lost,
            "duplicated": self.duplicated,
            "wrong": self.wrong,
            "left open": self.open,
            "failed without a reason of ours": self.unexplained,
            "errors that no fault explains": self.surprises,
            "left behind": self.left,
        }

    @property
    def is_clean(self) -> bool:
        """Whether all that was asked came back, once and right, and nothing is left."""
        return not any(self.ledger.values())

    def take(self, ledger: Ledger) -> None:
        """Enter what the researchers saw."""
        self.verdicts, self.waits = ledger.counts(), dict(ledger.patience)
        surprises = Counter(one.text for one in ledger.surprises)
        self.surprises = [f"{text}: {n} times" for text, n in surprises.items()]
        self.lost += [f"question {one.number}" for one in ledger.unanswered()]
        for verdict, found in (
            (Verdict.WRONG, self.wrong),
            (Verdict.OPEN, self.open),
            (Verdict.UNEXPLAINED, self.unexplained),
        ):
            found += [_told(one) for one in ledger.attempts if one.verdict is verdict]

    def show(self, tell: Callable[[str], None]) -> None:
        """Print it."""
        tell("\nfaults injected")
        for kind, count in self.faults.items():
            tell(f"  {count:5} {kind}")
        tell(f"\nattempts, of {self.runs} runs in {self.executions} containers")
        for verdict, count in self.verdicts.items():
            tell(f"  {count:5} {verdict}")
        waits = sum(self.waits.values())
        tell(
            f"\n{self.runs / max(self.seconds, 1):.2f} runs per second; clients tried {waits} times"
        )
        tell(f"more than once while the server was away\n\nledger (seed {self.seed})")
        for name, found in self.ledger.items():
            tell(f"  {len(found):5} {name}")
            for text in found[:20]:
                tell(f"          {text}")

    def save(self, folder: Path, ledger: Ledger, breaks: Sequence[Break], started: float) -> None:
        """Keep it, with one line for each fault and each attempt, and a picture.

        Parameters
        ----------
        folder : Path
        ledger : Ledger
        breaks : sequence of Break
        started : float
            When the first question was asked, by `time.monotonic`.
        """
        (folder / "soak.json").write_text(json.dumps(asdict(self), indent=1))
        rights = [one for one in ledger.attempts if one.verdict is Verdict.RIGHT]
        answers = [((one.ended or started) - started, one.question.runs) for one in rights]
        draw(answers, breaks, folder / "soak.png")
        with (folder / "soak.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["what", "kind", "part", "began_s", "ended_s", "runs"])
            for one in breaks:
                times = f"{one.began:.1f}", f"{one.ended:.1f}"
                writer.writerow(["fault", one.kind, one.part, *times, ""])
            for attempt in ledger.attempts:
                times = (
                    f"{attempt.asked - started:.1f}",
                    f"{(attempt.ended or started) - started:.1f}",
                )
                writer.writerow(
                    [
                        "question",
                        attempt.question.method,
                        attempt.verdict.value,
                        *times,
                        attempt.question.runs,
                    ]
                )
        with (folder / "attempts.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["name", "method", "runs", "task", "seconds", "verdict", "note"])
            writer.writerows(_row(one) for one in ledger.attempts)


def _row(one: Attempt) -> list[Any]:
    seconds = f"{(one.ended or one.asked) - one.asked:.3f}"
    question = one.question
    return [
        one.name,
        question.method,
        question.runs,
        one.task_id,
        seconds,
        one.verdict.value,
        one.note,
    ]


def _told(one: Attempt) -> str:
    return f"{one.name} (task {one.task_id}): {one.note or 'no answer'}"
