"""What partners send may be anything; it is told of whom it came, and harms no other answer."""

import pytest

from vantage6.common.client.answers import require_success, sort_out, value_of
from vantage6.common.exceptions import DeserializationException, TaskFailed
from vantage6.common.text import bytes_to_base64s

DEEP = b"json." + b"[" * 200_000


def run(organization, result, status="completed", log=""):
    return {"organization": organization, "result": result, "status": status, "log": log}


def sent(content):
    return bytes_to_base64s(content)


@pytest.mark.parametrize(
    "result",
    [
        None,
        "",
        "no base64 at all!",
        "ümlaut",
        sent(b"json.{"),
        sent(DEEP),
        sent(b"xml.<a/>"),
        sent(b"pickle.cos\nsystem\n(S'true'\ntR."),
    ],
    ids=["none", "empty", "text", "letters", "broken", "deep", "unknown", "pickle"],
)
def test_an_answer_that_cannot_be_read_is_of_somebody(result):
    with pytest.raises(DeserializationException, match="answer of organization 7 cannot be read"):
        value_of(run(7, result), allow_pickle=False)
    sorted_out = sort_out([run(7, result), run(8, sent(b"json.1"))], allow_pickle=False)
    assert sorted_out.answers == {8: 1}
    assert sorted_out.failures[7].status == "completed"
    assert "organization 7" in sorted_out.failures[7].reason


def test_a_failure_has_the_last_line_of_its_log_as_reason():
    failed = run(7, None, "crashed", "info > started\nwarn > Too few rows\n")
    (failure,) = sort_out([failed], allow_pickle=False).failures.values()
    assert failure == (
        7,
        "crashed",
        "Too few rows",
        ["info > started", "warn > Too few rows"],
    )


def test_a_failure_without_a_log_says_so():
    (failure,) = sort_out([run(7, None, "not allowed", None)], allow_pickle=False).failures.values()
    assert (failure.reason, failure.log) == ("no reason was given", [])


IN_FRONT = "warn > Error encountered while calling "


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            f"{IN_FRONT}RPC_mean: InputError: No column 'a' (x, line 3)",
            "InputError: No column 'a' (x, line 3)",
        ),
        (
            f"{IN_FRONT}mean: TaskFailed: Task 7 failed at organization 2 (crashed): a",
            "Task 7 failed at organization 2 (crashed): a",
        ),
        ("error > The database file is not there", "The database file is not there"),
        ("TaskFailed: my own words", "TaskFailed: my own words"),
        ("said: warn > x", "said: warn > x"),
        ("warn > ", "warn >"),
        (f"{IN_FRONT}x: ", "Error encountered while calling x:"),
    ],
    ids=["error", "subtask", "wrapper", "other", "inside", "level only", "call only"],
)
def test_a_reason_begins_with_what_went_wrong(line, reason):
    (failure,) = sort_out([run(7, None, "crashed", line)], allow_pickle=False).failures.values()
    assert failure.reason == reason


TWO_FAILED = r"^Task 1 failed at organization 7, organization 9 \(crashed\): a$"


def test_all_that_failed_are_named():
    runs = [run(7, None, "crashed", "a"), run(8, sent(b"json.1")), run(9, None, "crashed", "a")]
    with pytest.raises(TaskFailed, match=TWO_FAILED) as caught:
        require_success({"id": 1}, runs)
    assert [one["organization"] for one in caught.value.runs] == [7, 9]
