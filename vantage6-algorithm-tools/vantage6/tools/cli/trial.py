"""An algorithm tried on this machine: its tests, its questions on the mock and in containers."""

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from vantage6.common.disclosure import PREFIX as DISCLOSURE
from vantage6.common.exceptions import EngineUnreachable, Vantage6Error
from vantage6.tools.cli import declaration
from vantage6.tools.cli.comparison import difference
from vantage6.tools.cli.containers import Inquiry, Outcome, built_image, federation, start
from vantage6.tools.cli.declaration import Question
from vantage6.tools.cli.interruption import Interruption
from vantage6.tools.cli.workplace import FEDERATION, IMAGE, end_federation, workplace
from vantage6.tools.local_federation import missing_commands

Rehearsed = list[dict[str, dict[str, Any]]]
_NO_TESTS = 5
_MOST_LETTERS = 300


class TrialError(Vantage6Error):
    """The trial cannot go on; the text is one sentence."""


class Trial:
    """One trial of the algorithm in a folder.

    Parameters
    ----------
    folder : Path
    timeout : float
        Seconds that one question may take in containers.
    say : callable
        Gets each line about what goes on.
    """

    def __init__(self, folder: Path, timeout: float, say: Callable[[str], None]) -> None:
        self._folder, self._timeout, self._say = folder, timeout, say
        self._declared = declaration.load(folder)

    def run(self, mock_only: bool) -> bool:
        """Do all of it, and tell whether it went well.

        Raises
        ------
        Vantage6Error
            When something is missing: a container engine, a Dockerfile that builds.
        """
        self._say(f"Tests of {self._declared.distribution}")
        if not self._tests_pass():
            return False
        sites = ", ".join(self._declared.sites)
        self._say(f"\nQuestions on the mock, with the sites {sites}")
        rehearsed = self._rehearse(list(range(1, len(self._declared.sites) + 1)))
        if not self._all_answered(rehearsed):
            return False
        if mock_only:
            self._say("All questions are answered on the mock.")
            return True
        return self._in_containers()

    def _tests_pass(self) -> bool:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        code = subprocess.run(
            command, cwd=self._folder, env=self._environment(), check=False
        ).returncode
        if code == _NO_TESTS:
            raise TrialError("The algorithm has no tests; pytest found none in its folder")
        return code == 0

    def _environment(self) -> dict[str, str]:
        """Ours, without thresholds: nodes here have none of their own, so neither has the mock."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith((DISCLOSURE, "PYTEST_"))
        }
        path = os.pathsep.join([str(self._folder), *filter(None, [kept.get("PYTHONPATH")])])
        return {**kept, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}

    def _rehearse(self, ids: list[int]) -> Rehearsed:
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "outcomes"
            order = {"folder": str(self._folder), "ids": ids, "output": str(output)}
            done = subprocess.run(
                [sys.executable, "-m", "vantage6.tools.cli.rehearsal", json.dumps(order)],
                env=self._environment(),
                capture_output=True,
                text=True,
                check=False,
            )
            if not output.is_file():
                last = (done.stderr.strip() or done.stdout.strip() or "no reason").splitlines()[-1]
                raise TrialError(f"The mock cannot be asked: {last}")
            outcomes: Rehearsed = json.loads(output.read_text(encoding="utf-8"))
        return outcomes

    def _all_answered(self, rehearsed: Rehearsed) -> bool:
        for question, outcome in zip(self._declared.questions, rehearsed, strict=True):
            for site, reason in outcome["failures"].items():
                self._say(f"{question.name}, failure of {site}: {reason}")
        return not any(outcome["failures"] for outcome in rehearsed)

    def _in_containers(self) -> bool:
        missing = missing_commands()
        if missing:
            raise TrialError(
                f"The questions cannot be asked in containers without {' and '.join(missing)}; "
                "install them with: pip install vantage6-server vantage6-node"
            )
        image = f"{self._declared.distribution.lower()}:test-{secrets.token_hex(4)}"
        interruption = Interruption()
        with ExitStack() as stack:
            stack.enter_context(interruption())
            try:
                folder = stack.enter_context(workplace(interruption))
                (folder / IMAGE).write_text(image, encoding="utf-8")
                stack.enter_context(built_image(self._folder, image))
            except EngineUnreachable as error:
                raise TrialError(
                    f"The questions were not asked in containers. {error} Without one: --mock-only"
                ) from error
            self._say("The image is built")
            # No image can be removed while a container uses it.
            stack.callback(end_federation, folder, interruption)
            members = federation(self._declared, folder / FEDERATION, image)
            start(members, interruption)
            inquiry = Inquiry(members, image, self._timeout)
            ids = ", ".join(
                f"{site} is organization {inquiry.ids[site]}" for site in self._declared.sites
            )
            self._say(f"A server and {len(members.hospitals)} nodes are up: {ids}")
            rehearsed = self._rehearse([inquiry.ids[site] for site in self._declared.sites])
            outcomes = [self._ask(inquiry, question) for question in self._declared.questions]
            self._say("Stopping all of it\n")
        return self._compare(rehearsed, outcomes)

    def _ask(self, inquiry: Inquiry, question: Question) -> Outcome:
        self._say(f"Asking {question.name!r} at {', '.join(question.sites)}")
        return inquiry.ask(question)

    def _compare(self, rehearsed: Rehearsed, outcomes: list[Outcome]) -> bool:
        table = Table(title=self._declared.distribution, title_justify="left")
        for heading in ("question", "asked at", "seconds", "in containers"):
            table.add_column(heading, justify="right" if heading == "seconds" else "left")
        verdicts = []
        for question, mock, real in zip(self._declared.questions, rehearsed, outcomes, strict=True):
            verdict = _verdict(mock["answers"], real, question.tolerance)
            verdicts.append(verdict)
            where, seconds = ", ".join(question.sites), f"{real.seconds:.1f}"
            table.add_row(question.name, where, seconds, verdict or "as on the mock")
        Console(highlight=False, markup=False).print(table)
        for question, real in zip(self._declared.questions, outcomes, strict=True):
            self._explain(question, real)
        return not any(verdicts)

    def _explain(self, question: Question, real: Outcome) -> None:
        for site, answer in real.answers.items():
            self._say(f"{question.name}, answer of {site}: {_short(answer)}")
        for site, reason in real.failures.items():
            self._say(f"{question.name}, failure of {site}: {reason}")
        for line in real.logs:
            self._say(f"  {line}")


def _verdict(answers: dict[str, Any], real: Outcome, tolerance: float) -> str:
    """What is wrong; empty when nothing is."""
    if real.failures:
        return f"failed at {', '.join(real.failures)}"
    return difference(answers, real.answers, tolerance)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 1]}…"
