"""What contexts may say, and how they are compared."""

from dataclasses import asdict, replace

import pytest

from vantage6.common.authenticated import InputContext, ResultContext, require
from vantage6.common.envelope.context import from_dict, to_dict
from vantage6.common.exceptions import ContextMismatch, EncryptionError

IMAGE = "docker.io/library/average:latest"
NONCE = "0123456789abcdef" * 2
INPUT = InputContext(1, IMAGE, 2, 3, NONCE)
RESULT = ResultContext(1, IMAGE, 3, 2, NONCE, 4, 5, NONCE * 2)

OTHER = {
    "collaboration_id": 10,
    "image": "docker.io/library/other:latest",
    "sender": 20,
    "recipient": 30,
    "nonce": "f" * 32,
    "task_id": 40,
    "result_id": 50,
    "input_digest": "f" * 64,
}


@pytest.mark.parametrize("context", [INPUT, RESULT], ids=["input", "result"])
def test_a_context_comes_back_as_it_was(context):
    assert from_dict(to_dict(context)) == context
    require(context, **to_dict(context))


@pytest.mark.parametrize("name", OTHER)
def test_every_difference_is_named(name):
    with pytest.raises(ContextMismatch, match=name) as caught:
        require(replace(RESULT, **{name: OTHER[name]}), **to_dict(RESULT))
    assert caught.value.field == name
    assert str(OTHER[name]) not in str(caught.value)


def test_an_input_is_no_result():
    with pytest.raises(ContextMismatch, match="direction"):
        require(RESULT, direction="input")
    with pytest.raises(ContextMismatch, match="task_id"):
        require(INPUT, task_id=4)


@pytest.mark.parametrize("value", ["1", 1.0, True, None])
def test_values_of_another_kind_differ(value):
    with pytest.raises(ContextMismatch, match="collaboration_id"):
        require(INPUT, collaboration_id=value)


@pytest.mark.parametrize("value", [0, -1, 2**53, True, 1.0, "1", None])
@pytest.mark.parametrize(
    "name", ["collaboration_id", "sender", "recipient", "task_id", "result_id"]
)
def test_ids_are_whole_numbers_that_every_language_reads(name, value):
    with pytest.raises(EncryptionError, match=name):
        ResultContext(**{**asdict(RESULT), name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image", "average"),
        ("image", "docker.io/library/average"),
        ("image", "docker.io/library/average:latest\n"),
        ("image", "docker.io/library/" + "a" * 2000 + ":latest"),
        ("image", None),
        ("nonce", NONCE.upper()),
        ("nonce", NONCE[1:]),
        ("nonce", NONCE + "\n"),
        ("input_digest", NONCE),
    ],
)
def test_texts_have_one_spelling(name, value):
    with pytest.raises(EncryptionError, match=name):
        ResultContext(**{**asdict(RESULT), name: value})


@pytest.mark.parametrize(
    "change",
    [
        {"direction": None},
        {"direction": "output"},
        {"direction": ["input"]},
        {"direction": "result"},
        {"user": 1},
    ],
)
def test_contexts_with_other_fields_are_refused(change):
    with pytest.raises(EncryptionError):
        from_dict({**to_dict(INPUT), **change})
    for name in to_dict(INPUT):
        less = to_dict(INPUT)
        del less[name]
        with pytest.raises(EncryptionError):
            from_dict(less)


@pytest.mark.parametrize("values", [None, [], "input", 1])
def test_what_is_no_object_is_no_context(values):
    with pytest.raises(EncryptionError):
        from_dict(values)
