"""What organizations answered, and which of them could not, side by side."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from vantage6.common.client import settled
from vantage6.common.client.failure import log_lines, reason, sentence
from vantage6.common.client.purged import require_kept
from vantage6.common.exceptions import DeserializationException, PayloadDeleted, TaskFailed
from vantage6.common.serialization import deserialize
from vantage6.common.task_status import is_failure, status_of
from vantage6.common.text import base64s_to_bytes

Run = dict[str, Any]
Task = Mapping[str, Any]


class Failure(NamedTuple):
    """Why there is no answer of one organization.

    Attributes
    ----------
    organization : int
        Its id.
    status : str
        How its run ended, such as `crashed` or `not allowed`; `late` for one that answered after
        the task was settled, and for one that did not answer at all how far it was.
    reason : str
        The last line of its log, without what only says that it is an error.
    log : list of str
        All lines.
    """

    organization: int
    status: str
    reason: str
    log: list[str]


class Answers(NamedTuple):
    """The answers to one task and its failures; every organization is in one of the two.

    Attributes
    ----------
    answers : dict
        The value of each run that went well, by the id of its organization.
    failures : dict
        A `Failure` for each of the others, by the id of its organization.
    """

    answers: dict[int, Any]
    failures: dict[int, Failure]


def value_of(run: Run, allow_pickle: bool) -> Any:
    """The value in the result of a run.

    Raises
    ------
    DeserializationException
        When it cannot be read; the text names the organization.
    PayloadDeleted
        When it is no longer kept.
    """
    require_kept(run)
    try:
        return deserialize(base64s_to_bytes(run["result"] or ""), allow_pickle=allow_pickle)
    # What a partner sends may be anything: no base64 at all, or JSON as deep as memory goes.
    except (ValueError, RecursionError) as error:
        raise DeserializationException(
            f"The answer of organization {run['organization']} cannot be read. {error}"
        ) from error


def require_success(task: Task, runs: list[Run]) -> list[Run]:
    """The runs whose answers count: all, or of a settled task those that are there in time.

    Raises
    ------
    TaskFailed
        When a run failed, or too few answers came in time; the text names every organization
        and the reason.
    """
    if settled.is_settled(task):
        good = [run for run in runs if settled.counts(run)]
        if settled.has_enough(task):
            return good
        failed = [settled.explained(run) for run in runs if not settled.counts(run)]
    else:
        good, failed = runs, [run for run in runs if is_failure(status_of(run))]
    if failed:
        told = sentence(task["id"], failed, lambda run: f"organization {run['organization']}")
        if settled.is_settled(task):
            told = f"{told}; {settled.shortfall(task, runs)}"
        raise TaskFailed(told, failed)
    return good


def sort_out(runs: list[Run], allow_pickle: bool, task: Task | None = None) -> Answers:
    """The answers and the failures of runs of a task that is over.

    Of one that is settled the organizations that are missing or late are among the failures.
    """
    sorted_out = Answers({}, {})
    for shown in runs:
        is_settled = task is not None and settled.is_settled(task)
        run = settled.explained(shown) if is_settled else shown
        id_, status = run["organization"], status_of(run)
        log = log_lines(run)
        if is_settled and not settled.is_in_time(run):
            said = "late" if run.get("late") else status.value
            sorted_out.failures[id_] = Failure(id_, said, reason(run), log)
            continue
        if is_failure(status):
            sorted_out.failures[id_] = Failure(id_, status.value, reason(run), log)
            continue
        try:
            sorted_out.answers[id_] = value_of(run, allow_pickle)
        except (DeserializationException, PayloadDeleted) as error:
            sorted_out.failures[id_] = Failure(id_, status.value, str(error), log)
    return sorted_out
