"""JSON that is read while it comes in is what it would be if it were read at once."""

import json

import pytest

from vantage6.common.client.long_json import LONG, NOTHING, LongJson
from vantage6.common.client.received import LARGE, Received

LETTERS = "A$b+/=" * LONG
VALUES = {
    "plain": {"id": 1, "none": None, "list": [1, 2.5, True, "x"], "": {}},
    "a long text": [{"id": 1, "result": LETTERS, "log": "end"}, {"id": 2, "result": LETTERS[1:]}],
    "escapes": {"log": '\\"\n\t\\\\' * 50_000, "é": "日本" * LONG, "\\": '"'},
    "a text of backslashes": ["\\" * 300_000, "\\\\" * 1000],
    "a long key": {LETTERS: 1},
    "a text alone": LETTERS,
    "a number alone": 12345,
}


def read(body, step, omit=NOTHING):
    reader = LongJson(omit)
    for start in range(0, len(body), step):
        reader.feed(body[start : start + step])
    return reader.value()


@pytest.mark.parametrize("step", [977, 2**16, 2**30])
@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("ascii_only", [True, False], ids=["ascii", "utf-8"])
def test_the_value_is_the_same(name, step, ascii_only):
    body = json.dumps(VALUES[name], ensure_ascii=ascii_only).encode()
    assert read(body, step) == VALUES[name]


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_piece_may_end_anywhere(step):
    value = {"a\\": '"', "b": ["\\\\", '\\"', "é"], "c": "x" * (LONG + 3)}
    assert read(json.dumps(value).encode(), step) == value


def test_what_nobody_needs_is_left_out():
    value = {"input": LETTERS, "x": {"input": "short"}, "result": LETTERS, "y": [LETTERS]}
    kept = read(json.dumps(value).encode(), 2**16, omit={"input": ""})
    assert kept == {**value, "input": None}


def test_what_begins_as_asked_is_kept():
    value = [{"input": f"2${LETTERS}"}, {"input": LETTERS}]
    kept = read(json.dumps(value).encode(), 2**16, omit={"input": "2$"})
    assert kept == [value[0], {"input": None}]


def test_what_nobody_needs_may_have_escapes():
    value = {"input": 'a"\\' * LONG, "z": 1}
    assert read(json.dumps(value).encode(), 977, omit={"input": ""}) == {"input": None, "z": 1}


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"a": "b', b'{"a": 1,}', b'"a\\"', b"[" * 10**6]
)
def test_what_is_not_json_is_refused(body):
    with pytest.raises(ValueError, match=r"."):
        read(body, 2**16)


def test_text_that_is_not_utf_8_is_refused():
    with pytest.raises(ValueError, match="utf-8"):
        read(b'["' + b"\xff" * (LONG + 1) + b'"]', 2**16)


@pytest.mark.parametrize("size", [0, 10, LARGE, 3 * LARGE])
def test_an_answer_is_told_of_as_it_comes_in(size):
    steps, value = [], {"text": "x" * size}
    body = json.dumps(value).encode()
    pieces = [body[start : start + 2**16] for start in range(0, len(body), 2**16)]
    received = Received(200, pieces, NOTHING, steps.append)
    assert sum(steps) == len(body)
    assert received.content == body[:LARGE]
    assert received.json() == value
