"""The typed form of JSON: what comes out is what went in, and nothing else ever comes out."""

import datetime
import decimal
import json
import math
import subprocess
import sys
import zoneinfo

import numpy
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_index_equal, assert_series_equal

from vantage6.common.exceptions import DeserializationException
from vantage6.common.serialization import deserialize, serialize

AMSTERDAM = zoneinfo.ZoneInfo("Europe/Amsterdam")


def round_trip(value):
    payload = serialize(value, typed=True)
    # without the words for numbers that JSON does not have
    json.loads(payload.removeprefix(b"json."), parse_constant=lambda word: pytest.fail(word))
    return deserialize(payload)


VALUES = [
    float("inf"),
    -math.inf,
    2**63,
    datetime.datetime(2026, 11, 21, 10, 40, 0, 7),
    datetime.datetime(2026, 10, 25, 2, 30, tzinfo=AMSTERDAM, fold=1),
    datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC),
    datetime.date(2026, 11, 21),
    datetime.time(10, 40, 0, 7),
    datetime.timedelta(-1, 3, 4),
    decimal.Decimal("1.50"),
    decimal.Decimal("1E+400"),
    b"\x00\xff",
    {1, "a", (2, 3)},
    frozenset({1.5}),
    {1: "a", "1": "b", (2, "c"): [3], None: 4, datetime.date(2026, 1, 1): 5},
    {"$type": "frame", "$typed": 1},
    {"$typed": 1, "value": 2},
    [{"deep": {"down": [b"x"]}}],
    pandas.Timestamp("2026-11-21T10:40:00.123456789"),
    pandas.Timestamp("2026-11-21", tz="Europe/Amsterdam"),
    pandas.Timestamp("2026-11-21T00:00:00+01:00"),
    pandas.Timedelta(-1, "ns"),
    pandas.Period("2026-11", "M"),
    pandas.Period("2026-11-21", "W-SUN"),
    pandas.Interval(0, 1.5, closed="both"),
    pandas.NA,
    pandas.NaT,
    numpy.datetime64("2026-11-21", "D"),
    numpy.timedelta64(3, "h"),
]


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_a_value_comes_back_as_it_was(value):
    found = round_trip(value)
    assert type(found) is type(value)
    assert found is value or found == value
    assert getattr(found, "tzinfo", None) == getattr(value, "tzinfo", None)
    assert getattr(found, "fold", None) == getattr(value, "fold", None)


def test_a_number_that_is_none_comes_back():
    assert math.isnan(round_trip({"mean": [numpy.nan]})["mean"][0])


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ({"a": [1, 0.5, None, True, "x"]}, {"a": [1, 0.5, None, True, "x"]}),
        ((1, 2), [1, 2]),
        ({"sum": numpy.float64(0.5), "n": numpy.int64(2**62)}, {"sum": 0.5, "n": 2**62}),
        (numpy.bool_(True), True),
        (numpy.str_("a"), "a"),
    ],
)
def test_what_plain_json_holds_stays_plain(value, plain):
    assert json.loads(serialize(value, typed=True).removeprefix(b"json.")) == plain


ARRAYS = [
    numpy.arange(6).reshape(2, 3),
    numpy.array(5.0),
    numpy.array([["a", "ü"]]),
    numpy.zeros((0, 3)),
    numpy.array([1, None, "x", [2]], dtype=object),
    numpy.array(["2026-11-21T10", "NaT"], dtype="datetime64[ns]"),
    numpy.array([3, "NaT"], dtype="timedelta64[h]"),
    numpy.array([-0.0, numpy.nan, numpy.inf], dtype="float16"),
    numpy.array([2**64 - 1], dtype="uint64"),
    numpy.array([True, False]),
]


@pytest.mark.parametrize("array", ARRAYS, ids=range(len(ARRAYS)))
def test_an_array_comes_back_as_it_was(array):
    found = round_trip([array])[0]
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    numpy.testing.assert_array_equal(found, array)


def frame_of_all_kinds():
    return pandas.DataFrame(
        {
            "whole": [1, 2**62],
            "number": [0.1, None],
            "endless": [numpy.inf, -numpy.inf],
            "text": ["a", None],
            "mixed": pandas.Series([1, [2, {"x": b"y"}]], dtype=object),
            "moment": pandas.to_datetime(["2026-11-21T10:40", None]),
            "there": pandas.to_datetime(["2026-11-21", None]).tz_localize(AMSTERDAM),
            "away": pandas.to_datetime(["2026-11-21T00:00+01:00", None]),
            "span": pandas.to_timedelta([1, None], unit="h"),
            "kind": pandas.Categorical(["a", None], categories=["b", "a"], ordered=True),
            "Whole": pandas.array([2**62, None], dtype="Int64"),
            "small": pandas.array([1, None], dtype="UInt8"),
            "Number": pandas.array([0.5, None], dtype="Float64"),
            "flag": pandas.array([True, None], dtype="boolean"),
            "string": pandas.array(["a", None], dtype="string"),
            "bool": [True, False],
            "month": pandas.PeriodIndex(["2026-11", None], freq="M"),
            "range": pandas.arrays.IntervalArray.from_breaks([0, 1, 2]),
            1: [1, 2],
            ("a", "tuple"): [1, 2],
        },
        index=pandas.MultiIndex.from_tuples([("a", 1), ("b", None)], names=["x", None]),
    )


def test_a_frame_comes_back_with_all_its_types():
    frame = frame_of_all_kinds()
    found = round_trip(frame)
    assert_frame_equal(found, frame)
    assert found.dtypes.tolist() == frame.dtypes.tolist()


FRAMES = [
    pandas.DataFrame(),
    pandas.DataFrame(index=range(3)),
    pandas.DataFrame(columns=["a", "b"]),
    pandas.DataFrame([[1, "x"]], columns=["same", "same"], index=["row"]),
    pandas.DataFrame({"a": [1, 2]}, index=["same", "same"]),
    pandas.DataFrame({"a": [1]}, index=pandas.Index([b"x"], name=("a", 1))),
    pandas.DataFrame([[1, 2]], columns=pandas.MultiIndex.from_product([["a"], [1, 2]])),
    pandas.DataFrame({"a": range(2)}, index=pandas.RangeIndex(6, 2, -2, name="n")),
    pandas.DataFrame({"a": ["x"]}, dtype=object),
]


@pytest.mark.parametrize("frame", FRAMES, ids=range(len(FRAMES)))
def test_the_labels_of_a_frame_come_back(frame):
    found = round_trip({"table": frame})["table"]
    assert_frame_equal(found, frame)
    assert_index_equal(found.index, frame.index, exact=True)
    assert_index_equal(found.columns, frame.columns, exact=True)


def test_series_indexes_and_bare_arrays_come_back():
    series = pandas.Series([1, 2], index=["a", "b"], name=("n", 1))
    assert_series_equal(round_trip(series), series)
    index = pandas.DatetimeIndex(["2026-11-21", None], tz="UTC")
    assert_index_equal(round_trip(index), index, exact=True)
    values = pandas.array([1, None], dtype="Int8")
    found = round_trip(values)
    assert found.dtype == values.dtype
    assert found.tolist() == values.tolist()


def columns(dtype, elements):
    return st.lists(elements, max_size=5).map(lambda values: pandas.Series(values, dtype=dtype))


nullable = st.none() | st.integers(-128, 127)
moments = st.datetimes(
    datetime.datetime(1700, 1, 1), datetime.datetime(2250, 1, 1), timezones=st.none()
)
spans = st.timedeltas(datetime.timedelta(-90_000), datetime.timedelta(90_000))
texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
COLUMNS = st.one_of(
    *(columns(f"int{bits}", st.integers(-128, 127)) for bits in (8, 16, 32, 64)),
    columns("int64", st.integers(-(2**63), 2**63 - 1)),
    columns("uint64", st.integers(0, 2**64 - 1)),
    columns("float64", st.floats(allow_nan=True)),
    columns("float32", st.floats(width=32)),
    columns("float16", st.floats(width=16)),
    columns("bool", st.booleans()),
    columns("boolean", st.none() | st.booleans()),
    columns("Int8", nullable),
    columns("Int64", nullable),
    columns("Float64", st.none() | st.floats(allow_nan=False)),
    columns("str", texts),
    columns("string", texts),
    columns("category", texts),
    columns("object", texts | st.integers() | st.floats(allow_nan=False) | st.binary(max_size=3)),
    columns("datetime64[ns]", st.none() | moments),
    columns("datetime64[us]", st.none() | moments),
    columns("datetime64[us, UTC]", st.none() | moments),
    columns("datetime64[s, Europe/Amsterdam]", st.none() | moments.map(lambda m: m.date())),
    columns("timedelta64[ns]", st.none() | spans),
)


@settings(deadline=None, max_examples=200)
@given(COLUMNS, st.none() | st.text(max_size=3) | st.integers())
def test_any_column_comes_back_exactly(column, name):
    column = column.rename(name)
    found = round_trip(column)
    assert_series_equal(found, column, check_exact=True)
    assert_frame_equal(round_trip(column.to_frame()), column.to_frame(), check_exact=True)


plain_keys = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
leaves = (
    plain_keys
    | st.floats(allow_nan=False)
    | st.binary(max_size=3)
    | st.dates()
    | st.decimals(allow_nan=False)
)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(plain_keys, inner, max_size=3)
        | st.sets(st.integers() | st.text(max_size=3), max_size=3)
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(trees)
def test_any_tree_of_values_comes_back(value):
    assert round_trip(value) == value


@pytest.mark.parametrize(
    "value",
    [
        object(),
        [1j],
        numpy.array([1j]),
        numpy.ma.array([1], mask=[True]),
        numpy.array([(1, 2)], dtype=[("a", int), ("b", int)]),
        pandas.Series(pandas.arrays.SparseArray([1, 0])),
        numpy.longdouble(1),
    ],
    ids=["object", "complex", "complex array", "masked", "structured", "sparse", "longdouble"],
)
def test_what_the_form_does_not_have_is_refused(value):
    with pytest.raises(TypeError, match="cannot be put into JSON"):
        serialize(value, typed=True)


def test_a_value_nested_too_deeply_is_refused():
    value = []
    for _ in range(100_000):
        value = [value]
    for typed in (True, False):
        with pytest.raises(TypeError, match="nested so deeply"):
            serialize(value, typed=typed)
    while value:
        value = value.pop()


def column(dtype, *values, **more):
    return {"$type": "series", "dtype": dtype, "values": list(values), **more}


def index(length):
    return {"index": {"dtype": "range", "start": 0, "stop": length, "step": 1}}


HOSTILE = {
    "unknown type": {"$type": "os.system", "value": "true"},
    "type is a list": {"$type": ["frame"]},
    "method of the reader": {"$type": "__class__"},
    "nothing in it": {"$type": "frame"},
    "wrong parts": {"$type": "frame", "columns": 1, "index": 2, "data": 3},
    "pickle as a dtype": column("object_pickle", "x", **index(1)),
    "structured dtype": column("i4,i4", 1, **index(1)),
    "dtype with code": column("datetime64[ns] + __import__('os')", "x", **index(1)),
    "text among numbers": column("int64", "5", **index(1)),
    "fraction among whole numbers": column("int64", 1.5, **index(1)),
    "bool among whole numbers": column("int64", True, **index(1)),
    "number that does not fit": column("int8", 300, **index(1)),
    "number without an end": column("int64", 10**400, **index(1)),
    "number too large for a float": column("float64", 10**400, **index(1)),
    "lists among numbers": column("float64", [1], **index(1)),
    "rows that are not there": column("int64", 1, **index(10**12)),
    "range without an end": {"$type": "index", "dtype": "range", "start": 0, "stop": 10**15,
                             "step": 1},
    "frame without columns, with any rows": {
        "$type": "frame", "data": [], "columns": {"dtype": "object", "values": []}, **index(10**15)
    },
    "range that stands still": {"$type": "index", "dtype": "range", "start": 0, "stop": 1,
                                "step": 0},
    "shape without values": {"$type": "array", "dtype": "int64", "shape": [10**9, 10**9],
                             "values": []},
    "negative shape": {"$type": "array", "dtype": "int64", "shape": [-1], "values": [1]},
    "more axes than there can be": {"$type": "array", "dtype": "int64", "shape": [1] * 100,
                                    "values": [1]},
    "one long text among many": {"$type": "array", "dtype": "text", "shape": [10_001],
                                 "values": ["x" * 1_000_000, *[""] * 10_000]},
    "moment that is now": column("datetime64[ns]", "now", **index(1)),
    "moment with a zone in it": column("datetime64[ns]", "2026-01-01T00:00Z", **index(1)),
    "file as a zone": column("datetime64[ns]", "2026-01-01", zone="../../etc/passwd", **index(1)),
    "file of another library as a zone": column(
        "datetime64[ns]", "2026-01-01", zone="dateutil//etc/passwd", **index(1)
    ),
    "zone of a moment": {"$type": "datetime", "value": "2026-01-01T00:00+00:00", "zone": "/etc"},
    "timestamp now": {"$type": "timestamp", "value": "now", "unit": "s"},
    "code beyond the categories": column(
        "category", 5, categories={"dtype": "int64", "values": [1]}, ordered=False, **index(1)
    ),
    "level beyond the levels": {"$type": "index", "dtype": "multi", "names": [None],
                                "levels": [{"dtype": "int64", "values": [1]}], "codes": [[7]]},
    "no frequency": {"$type": "period", "value": 1, "frequency": "eval(1)"},
    "keys that are one": {"$type": "map", "items": [[1, 2], [1, 3]]},
    "key that is a list": {"$type": "map", "items": [[[1], 2]]},
    "key that is a table": {"$type": "map", "items": [[{"$type": "array", "dtype": "int64",
                                                        "shape": [0], "values": []}, 1]]},
    "decimal of a million digits": {"$type": "decimal", "value": "1" * 1_000_000},
    "no decimal": {"$type": "decimal", "value": "one"},
    "no base64": {"$type": "bytes", "value": "?"},
    "no word for a number": {"$type": "float", "value": "1"},
    "span beyond time": {"$type": "timedelta", "days": 10**12, "seconds": 0, "microseconds": 0},
    "deep": None,
}  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_payload_is_refused_in_one_sentence(value):
    body = b'{"$typed": 1, "value": %s}' % json.dumps(value).encode()
    if value is None:
        body = b'{"$typed": 1, "value": %s}' % (b"[" * 100_000 + b"]" * 100_000)
    with pytest.raises(DeserializationException) as refused:
        deserialize(b"json." + body)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("version", [2, 0, "1", True, None, 1.0])
def test_a_form_of_another_version_is_refused(version):
    with pytest.raises(DeserializationException, match="does not know"):
        deserialize(json.dumps({"$typed": version, "value": 1}).encode())


def test_plain_json_that_names_types_stays_what_it_is():
    for plain in ({"$type": "bytes", "value": "YQ=="}, {"$typed": 1, "value": 2, "more": 3}):
        assert deserialize(json.dumps(plain).encode()) == plain


def test_pandas_is_imported_for_a_table_only():
    program = (
        "import sys\n"
        "from vantage6.common.serialization import deserialize\n"
        'deserialize(b\'{"$typed": 1, "value": {"$type": "set", "items": [1]}}\')\n'
        'assert not {"numpy", "pandas"} & set(sys.modules)\n'
        'deserialize(b\'{"$typed": 1, "value": {"$type": "array", "dtype": "int64", '
        '"shape": [1], "values": [1]}}\')\n'
        'assert "pandas" not in sys.modules\n'
    )
    subprocess.run([sys.executable, "-c", program], check=True)
