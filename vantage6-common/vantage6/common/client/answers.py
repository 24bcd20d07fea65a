"""What organizations answered, and which of them could not, side by side."""

from typing import Any, NamedTuple

from vantage6.common.client.failure import log_lines, reason, sentence
from vantage6.common.exceptions import DeserializationException, TaskFailed
from vantage6.common.serialization import deserialize
from vantage6.common.task_status import is_failure, status_of
from vantage6.common.text import base64s_to_bytes

Run = dict[str, Any]


class Failure(NamedTuple):
    """Why there is no answer of one organization.

    Attributes
    ----------
    organization : int
        Its id.
    status : str
        How its run ended, such as `crashed` or `not allowed`.
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
    """
    try:
        return deserialize(base64s_to_bytes(run["result"] or ""), allow_pickle=allow_pickle)
    # What a partner sends may be anything: no base64 at all, or JSON as deep as memory goes.
    except (ValueError, RecursionError) as error:
        raise DeserializationException(
            f"The answer of organization {run['organization']} cannot be read. {error}"
        ) from error


def require_success(task_id: int, runs: list[Run]) -> None:
    """Raise TaskFailed, which names every failed organization, unless all runs went well."""
    failed = [run for run in runs if is_failure(status_of(run))]
    if failed:
        told = sentence(task_id, failed, lambda run: f"organization {run['organization']}")
        raise TaskFailed(told, failed)


def sort_out(runs: list[Run], allow_pickle: bool) -> Answers:
    """The answers and the failures of runs that have ended."""
    sorted_out = Answers({}, {})
    for run in runs:
        id_, status = run["organization"], status_of(run)
        log = log_lines(run)
        if is_failure(status):
            sorted_out.failures[id_] = Failure(id_, status.value, reason(run), log)
            continue
        try:
            sorted_out.answers[id_] = value_of(run, allow_pickle)
        except DeserializationException as error:
            sorted_out.failures[id_] = Failure(id_, status.value, str(error), log)
    return sorted_out
