"""What came of a task: its values, or why there are none."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from vantage6.common.client import settled
from vantage6.common.client.answers import Answers, Failure
from vantage6.common.client.failure import log_lines, reason, sentence
from vantage6.common.client.purged import require_kept
from vantage6.common.client.unverified import require_verified
from vantage6.common.encryption import DummyCryptor
from vantage6.common.exceptions import (
    DeserializationException,
    EncryptionError,
    PayloadDeleted,
    TaskFailed,
    TaskUnfinished,
)
from vantage6.common.serialization import deserialize
from vantage6.common.task_status import TaskStatus, is_failure, is_final, status_of
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
    task : dict
        The task, where some of its runs are open, failed or came late.
    """

    client: "UserClient"
    task_id: int
    runs: list[Run]
    task: Run = field(default_factory=dict)

    @classmethod
    def load(
        cls, client: "UserClient", task_id: int, allow_pickle: bool | None = None
    ) -> "Outcome":
        """Fetch what came back and read it.

        Raises
        ------
        TaskUnfinished
            When a run has not ended yet, and the task waits for it.
        """
        omit = {"input": _needed_inputs(client, task_id)}
        query = {"task_id": task_id, **client.large_elsewhere()}
        runs = client.send("get", "result", params=query, omit=omit)
        task = {} if all(map(settled.counts, runs)) else client.send("get", f"task/{task_id}")
        still_open = [run for run in runs if not is_final(status_of(run))]
        if still_open and not settled.is_settled(task):
            raise TaskUnfinished(f"Task {task_id} has not ended yet")
        for run in still_open:
            # It may have ended, and the task with it, since it was looked at.
            again = client.large_elsewhere()
            run.update(client.send("get", f"result/{run['id']}", params=again, omit=omit))
        runs = client.decrypt_results(runs, task_id=task_id, stored_inputs=False)
        runs = sorted(runs, key=lambda run: run["id"])
        allowed = client.allow_pickle if allow_pickle is None else allow_pickle
        for run in runs:
            run["status"] = status_of(run)
            if run["status"] is TaskStatus.COMPLETED:
                _read(run, allowed)
        return cls(client, task_id, runs, task)

    def values(self, *, late: bool = False) -> Values:
        """A value for each run, in their order.

        Parameters
        ----------
        late : bool
            Whether those that came after the task was settled are wanted as well.

        Raises
        ------
        TaskFailed, EncryptionError, DeserializationException, PayloadDeleted
            When there is not a value for each, or for as many as have to answer.
        """
        return [run["value"] for run in self._require_success(late)]

    def by_organization(self, naming: Naming = True, *, late: bool = False) -> dict[Any, Any]:
        """The value of each organization, by its name or its id; as for `values`."""
        return self._keyed(self._require_success(late), naming, lambda run: run["value"])

    def answers(self, naming: Naming = "id", *, late: bool = False) -> Answers:
        """Values and failures side by side, by organization.

        Of a task that is settled those that are missing are failures, and those that came late,
        unless they are wanted.

        Raises
        ------
        ValueError
            When an organization was asked more than once.
        """
        good = [run for run in self._answering(late) if "value" in run]
        answered = {run["id"] for run in good}
        bad = [run for run in self.runs if run["id"] not in answered]
        return Answers(
            self._keyed(good, naming, lambda run: run["value"]),
            self._keyed(bad, naming, lambda run: self._failure(run, late)),
        )

    @property
    def _is_settled(self) -> bool:
        return settled.is_settled(self.task)

    def _answering(self, late: bool) -> list[Run]:
        """The runs that may have a value that counts."""
        if not self._is_settled:
            return self.runs
        done = [run for run in self.runs if run["status"] is TaskStatus.COMPLETED]
        return [run for run in done if late or not run.get("late")]

    def _require_success(self, late: bool) -> list[Run]:
        """The runs of which there is a value."""
        answering = self._answering(late)
        if self._is_settled:
            failed = [settled.explained(run) for run in self.runs if not settled.counts(run)]
            failed = [] if settled.has_enough(self.task) else failed
        else:
            failed = [run for run in self.runs if is_failure(run["status"])]
        if failed:
            raise TaskFailed(self._text(failed), failed, self._good_values(), self._failures())
        for error in (run["error"] for run in answering if "error" in run):
            if len(self.runs) > 1:
                error.add_note(
                    f"client.task.results({self.task_id}, allow_failures=True) gives the answers "
                    "of the others"
                )
            raise error
        return answering

    def _good_values(self) -> dict[int, Any]:
        good = [run for run in self._answering(late=False) if "value" in run]
        return {run["organization"]["id"]: run["value"] for run in good}

    def _failures(self) -> dict[int, Failure]:
        answering = {run["id"] for run in self._answering(late=False) if "value" in run}
        bad = [run for run in self.runs if run["id"] not in answering]
        return {run["organization"]["id"]: self._failure(run) for run in bad}

    def _failure(self, run: Run, late: bool = False) -> Failure:
        """Why a run brought nothing; where late answers are wanted, being late is no reason."""
        tells = is_final(run["status"]) if late else settled.is_in_time(run)
        if not self._is_settled or tells:
            return _failure(run)
        status = "late" if run.get("late") else run["status"]
        return _failure({**settled.explained(run), "status": status})

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
        if self._is_settled:
            first = f"{first}; {settled.shortfall(self.task, self.runs)}"
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
        require_kept(run)
        require_verified(run)
        if not isinstance(run["result"], bytes):
            raise EncryptionError(f"Result {run['id']} was encrypted for another key than yours")
        run["value"] = deserialize(run.pop("result"), allow_pickle=allow_pickle)
    except (EncryptionError, DeserializationException, PayloadDeleted) as error:
        run["error"] = error


def _failure(run: Run) -> Failure:
    log = [printable(line) for line in log_lines(run)]
    told = "error" in run and run["status"] == TaskStatus.COMPLETED
    why = str(run["error"]) if told else printable(reason(run))
    return Failure(run["organization"]["id"], str(run["status"]), why, log)
