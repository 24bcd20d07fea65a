"""What a line of the log looks like."""

import json
import logging
import sys

import pytest

from vantage6.common.config import LOG_DATE_FORMAT, LOG_FORMAT
from vantage6.common.log import JSONFormatter, LineFormatter, request_id


@pytest.fixture
def in_a_request():
    token = request_id.set("abcdef0123456789")
    yield
    request_id.reset(token)


def record(message="hello", *arguments, **attributes):
    made = logging.LogRecord(
        "a.averyveryverylongname", logging.INFO, __file__, 1, message, arguments, None
    )
    made.__dict__.update(attributes)
    return made


def failure():
    try:
        raise ValueError("the cause")
    except ValueError:
        return sys.exc_info()


def test_a_line_has_the_documented_format():
    line = LineFormatter(LOG_FORMAT, LOG_DATE_FORMAT).format(record("hello %s", "you"))
    moment, name, level, message = line.split(" - ")
    assert len(moment) == len("2026-01-01 10:00:00")
    assert (name, level, message) == ("averyveryve.. ", "INFO    ", "hello you")


def test_a_line_of_a_request_ends_with_its_id(in_a_request):
    line = LineFormatter(LOG_FORMAT, LOG_DATE_FORMAT).format(record(exc_info=failure()))
    first, *traceback = line.splitlines()
    assert first.endswith("hello [abcdef0123456789]")
    assert traceback[-1] == "ValueError: the cause"


def test_a_format_may_say_where_the_id_goes(in_a_request):
    formatter = LineFormatter("%(request_id)s %(message)s", None)
    assert formatter.format(record()) == "abcdef0123456789 hello"


def test_a_format_with_the_id_is_fine_outside_of_a_request():
    assert LineFormatter("%(request_id)s%(message)s", None).format(record()) == "hello"


def test_the_record_is_left_to_others_as_it_was(in_a_request):
    shared = record()
    LineFormatter("%(name)s", None).format(shared)
    assert shared.name == "a.averyveryverylongname"


def test_a_line_of_json_holds_everything(in_a_request):
    text = JSONFormatter().format(record("a\nb", exc_info=failure(), fields={"status": 200}))
    line = json.loads(text)
    assert "\n" not in text
    assert line["time"].endswith("+00:00")
    assert line["traceback"].endswith("ValueError: the cause")
    assert (
        line.items()
        >= {
            "level": "INFO",
            "logger": "a.averyveryverylongname",
            "message": "a\nb",
            "request_id": "abcdef0123456789",
            "status": 200,
        }.items()
    )
