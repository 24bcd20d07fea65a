"""The classic functions for bytes, and formats that algorithms add."""

import io
import pickle

import pytest

from vantage6.common import serialization as core
from vantage6.tools.data_format import DataFormat
from vantage6.tools.deserialization import (
    deserialize,
    deserialize_json,
    deserialize_pickle,
    deserializer,
)
from vantage6.tools.exceptions import DeserializationException
from vantage6.tools.serialization import serialize, serializer


@pytest.mark.parametrize("data_format", DataFormat)
def test_values_come_back(data_format):
    content = serialize({"a": [1]}, data_format)
    assert deserialize(io.BytesIO(content), data_format) == {"a": [1]}


def test_each_format_has_a_reader_of_its_own():
    assert deserialize_json(io.StringIO("[1]")) == [1]
    assert deserialize_pickle(io.BytesIO(pickle.dumps([1]))) == [1]


def test_what_does_not_fit_is_refused():
    with pytest.raises(DeserializationException):
        deserialize_json(io.BytesIO(b"{"))
    with pytest.raises(ValueError, match="'xml'"):
        serialize({}, "xml")


def test_an_algorithm_can_add_a_format(monkeypatch):
    monkeypatch.setattr(core, "_writers", dict(core._writers))
    monkeypatch.setattr(core, "_readers", dict(core._readers))

    @serializer("upper")
    def write(value):
        return value.upper().encode()

    @deserializer("upper")
    def read(file):
        return file.read().decode().lower()

    assert core.serialize("ab", "upper") == b"upper.AB"
    assert core.deserialize(b"upper.AB") == "ab"
