"""Payloads: their formats are recognised, and values survive the way."""

import datetime
import json
import pickle

import numpy
import pandas
import pytest

from vantage6.common import serialization
from vantage6.common.exceptions import DeserializationException
from vantage6.common.serialization import deserialize, payload_format, serialize


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ""),
        (b"json.{}", "json"),
        (b"JSON.{}", "json"),
        (b"pickle.\x80\x04N.", "pickle"),
        (pickle.dumps({"method": "x"}), "pickle"),
        (pickle.dumps("x", protocol=0), "pickle"),
        (b"rds.\x1f\x8b\x00", "rds"),
        (b'{"a": 1.5}', "json"),
        (b"[1.5, 2]", "json"),
    ],
)
def test_the_format_is_read_from_the_first_bytes(data, expected):
    assert payload_format(data) == expected


@pytest.mark.parametrize(
    "value",
    [None, True, 3, 2**63, 1.5, "ä", [1, [2]], {"a": {"b": [1.25]}}, {}],
)
@pytest.mark.parametrize("data_format", ["json", "pickle", "legacy"])
def test_plain_values_come_back(value, data_format):
    assert deserialize(serialize(value, data_format), allow_pickle=True) == value


def test_a_bare_json_payload_is_read():
    assert deserialize(b'{"a": 1.5}') == {"a": 1.5}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (numpy.float64(1.5), 1.5),
        (numpy.int64(2**62), 2**62),
        (numpy.bool_(True), True),
        (numpy.array([[1.0, numpy.nan], [3.0, 4.0]]), [[1.0, None], [3.0, 4.0]]),
        ({"mean": float("nan"), "all": (1, float("inf"))}, {"mean": None, "all": [1, None]}),
        (pandas.NA, None),
        (datetime.date(2026, 11, 20), "2026-11-20"),
        (pandas.Timestamp("2026-11-20T12:00"), "2026-11-20T12:00:00"),
        (numpy.datetime64("2026-11-20"), "2026-11-20"),
        (pandas.Index([1, 2]), [1, 2]),
        ({1, 2}, [1, 2]),
    ],
)
def test_what_json_does_not_know_is_made_plain(value, expected):
    assert deserialize(serialize(value)) == expected


def test_a_data_frame_keeps_the_classic_column_form():
    frame = pandas.DataFrame({"a": [1, 2], "b": [0.5, None]})
    assert deserialize(serialize(frame)) == json.loads(frame.to_json())


def test_a_data_frame_keeps_every_digit():
    numbers = pandas.DataFrame({"a": [1 / 3, 1e-17], "b": [2**62 + 1, -1]}, index=["x", "y"])
    assert deserialize(serialize({"frame": numbers})) == {
        "frame": {"a": {"x": 1 / 3, "y": 1e-17}, "b": {"x": 2**62 + 1, "y": -1}}
    }


def test_a_data_frame_of_many_kinds_becomes_plain():
    frame = pandas.DataFrame(
        {
            "text": ["a", None],
            "date": [pandas.Timestamp("2026-11-20"), pandas.NaT],
            "kind": pandas.Categorical(["u", "v"]),
            "whole": pandas.array([1, None], dtype="Int64"),
        }
    )
    assert deserialize(serialize(frame)) == {
        "text": {"0": "a", "1": None},
        "date": {"0": "2026-11-20T00:00:00", "1": None},
        "kind": {"0": "u", "1": "v"},
        "whole": {"0": 1, "1": None},
    }


def test_rows_that_share_a_name_are_refused():
    with pytest.raises(TypeError, match="share a name"):
        serialize(pandas.Series([1, 2], index=["a", "a"]))


def test_keys_become_what_json_knows():
    day = datetime.date(2026, 11, 20)
    value = {numpy.int64(7): 1, day: 2, True: 3, numpy.float64(0.5): 4}
    assert deserialize(serialize(value)) == {
        "7": 1,
        "2026-11-20": 2,
        "true": 3,
        "0.5": 4,
    }


def test_a_format_can_be_added(monkeypatch):
    monkeypatch.setattr(serialization, "_writers", dict(serialization._writers))
    monkeypatch.setattr(serialization, "_readers", dict(serialization._readers))
    serialization.register("upper", write=lambda value: value.upper().encode(), read=bytes.decode)
    assert serialize("abc", "upper") == b"upper.ABC"
    assert deserialize(b"upper.ABC") == "ABC"


def test_a_value_that_json_cannot_hold_is_refused():
    with pytest.raises(TypeError, match="object"):
        serialize(object())
    with pytest.raises(ValueError, match="'xml'"):
        serialize({}, "xml")


class Evil:
    """Leaves a trace when its pickle is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("prefix", [b"", b"pickle.", b"PICKLE."])
def test_a_pickle_is_never_read_unless_allowed(tmp_path, prefix):
    trace = tmp_path / "trace"
    payload = prefix + pickle.dumps(Evil(str(trace)))
    with pytest.raises(DeserializationException, match="allow_pickle"):
        deserialize(payload)
    assert not trace.exists()


@pytest.mark.parametrize("data", [b"", b"json.{", b"rds.x", b"pickle.rubbish", b"\x80\x04rubbish"])
def test_bytes_that_do_not_fit_are_refused(data):
    with pytest.raises(DeserializationException):
        deserialize(data, allow_pickle=True)
