"""What came of a task: its values, or why there are none."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from vantage6.common.client.answers import Answers, Failure
from vantage6.common.client.failure import log_lines, reason, sentence
from vantage6.common.client.unverified import require_verified
from vantage6.common.encryption import DummyCryptor
from vantage6.common.exceptions import (
    DeserializationException,
    EncryptionError,
    TaskFailed,
    TaskUnfinished,
)
from vantage6.common.serialization import deserialize
from vantage6.common.task_status import is_failure, is_final, status_of
from vantage6.common.text import printable

if TYPE_CHECKING:
    from vantage6.client.client import UserClient

LOG_LINES = 10
# How an authenticated envelope begins.
AUTHENTICATED = "2$"
# How a container names organizations, of which it knows no more than the id.
_BY_ID = re.compile(r"\borganization (\d{1,9})\b")
# A log may name as many as it likes; each may cost a question to the server.
_MOST_NAMES = 100

Run = dict[str, Any]
Values = list[Any]
Naming = bool | Literal["name", "id"]


@dataclass(frozen=True)
class Outcome:
    """The runs of a task that is over.

    Attributes
    ----------
    client : UserClient
    task_id : int
    runs : list of dict
        As the server shows them, decrypted, in the order in which they were made; `value` is
        what came back, and `error` why there is no value.
    """

    client: "UserClient"
    task_id: int
    runs: list[Run]

    @classmethod
    def load(
        cls, client: "UserClient", task_id: int, allow_pickle: bool | None = None
    ) -> "Outcome":
        """Fetch what came back and read it.

        Raises
        ------
        TaskUnfinished
            When a run has not ended yet.
        """
        omit = {"input": _needed_inputs(client, task_id)}
        query = {"task_id": task_id, **client.large_elsewhere()}
        runs = client.send("get", "result", params=query, omit=omit)
        if any(not is_final(status_of(run)) for run in runs):
            raise TaskUnfinished(f"Task {task_id} has not ended yet")
        runs = client.decrypt_results(runs, task_id=task_id, stored_inputs=False)
        runs = sorted(runs, key=lambda run: run["id"])
        allowed = client.allow_pickle if allow_pickle is None else allow_pickle
        for run in runs:
            run["status"] = status_of(run)
            if not is_failure(run["status"]):
                _read(run, allowed)
        return cls(client, task_id, runs)

    def values(self) -> Values:
        """A value for each run, in their order.

        Raises
        ------
        TaskFailed, EncryptionError, DeserializationException
            When there is not a value for each.
        """
        self._require_success()
        return [run["value"] for run in self.runs]

    def by_organization(self, naming: Naming = True) -> dict[Any, Any]:
        """The value of each organization, by its name or its id; raises as `values` does."""
        self._require_success()
        return self._keyed(self.runs, naming, lambda run: run["value"])

    def answers(self, naming: Naming = "id") -> Answers:
        """Values and failures side by side, by organization.

        Raises
        ------
        ValueError
            When an organization was asked more than once.
        """
        good = [run for run in self.runs if "value" in run]
        bad = [run for run in self.runs if "value" not in run]
        return Answers(
            self._keyed(good, naming, lambda run: run["value"]),
            self._keyed(bad, naming, _failure),
        )

    def _require_success(self) -> None:
        failed = [run for run in self.runs if is_failure(run["status"])]
        if failed:
            raise TaskFailed(self._text(failed), failed, self._good_values(), self._failures())
        for error in (run["error"] for run in self.runs if "error" in run):
            if len(self.runs) > 1:
                error.add_note(
                    f"client.task.results({self.task_id}, allow_failures=True) gives the answers "
                    "of the others"
                )
            raise error

    def _good_values(self) -> dict[int, Any]:
        return {run["organization"]["id"]: run["value"] for run in self.runs if "value" in run}

    def _failures(self) -> dict[int, Failure]:
        bad = [run for run in self.runs if "value" not in run]
        return {run["organization"]["id"]: _failure(run) for run in bad}

    def _keyed(self, runs: list[Run], naming: Naming, pick: Callable[[Run], Any]) -> dict[Any, Any]:
        keyed: dict[Any, Any] = {}
        for run in runs:
            key = run["organization"]["id"] if naming == "id" else self._name(run)
            if key in keyed:
                raise ValueError(
                    f"Task {self.task_id} has more than one run of {key!r}; "
                    "results() without by_organization gives all of them as a list"
                )
            keyed[key] = pick(run)
        return keyed

    def _name(self, run: Run) -> str:
        return printable(self.client.organization_name(run["organization"]["id"]))

    def _text(self, failed: list[Run]) -> str:
        """Where and why, then what the logs say."""
        logs = [
            "\n".join([f"Log of {self._name(run)}:", *(f"    {line}" for line in lines)])
            for run in failed
            if len(lines := [printable(line) for line in log_lines(run)][-LOG_LINES:]) > 1
        ]
        kept = self._good_values()
        others = (
            f"The answers of {len(kept)} other(s) are kept: client.task.results({self.task_id}, "
            "allow_failures=True), or .answers of this error"
        )
        first = self._with_names(printable(sentence(self.task_id, failed, self._name)))
        return "\n".join([first, *logs, *([others] if kept else [])])

    def _with_names(self, text: str) -> str:
        """What an algorithm said of its subtasks, with the names of organizations for their ids."""
        name = self.client.organization_name
        return _BY_ID.sub(lambda told: printable(name(int(told[1]))), text, count=_MOST_NAMES)


def _needed_inputs(client: "UserClient", task_id: int) -> str:
    """How inputs begin that are needed to prove what results answer; others are let go of."""
    if client.cryptor is None or isinstance(client.cryptor, DummyCryptor):
        return ""
    letters = client._letters()
    return "" if letters is None or letters.remembers(task_id) else AUTHENTICATED


def _read(run: Run, allow_pickle: bool) -> None:
    """Put the value of a run beside it, or why there is none; the bytes are let go of."""
    try:
        require_verified(run)
        if not isinstance(run["result"], bytes):
            raise EncryptionError(f"Result {run['id']} was encrypted for another key than yours")
        run["value"] = deserialize(run.pop("result"), allow_pickle=allow_pickle)
    except (EncryptionError, DeserializationException) as error:
        run["error"] = error


def _failure(run: Run) -> Failure:
    log = [printable(line) for line in log_lines(run)]
    why = str(run["error"]) if "error" in run else printable(reason(run))
    return Failure(run["organization"]["id"], str(run["status"]), why, log)
