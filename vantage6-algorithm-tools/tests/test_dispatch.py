"""Which function is called with what, and whether data is loaded for it."""

import functools

import numpy
import pandas
import pytest
from pandas.testing import assert_frame_equal

from vantage6.common.serialization import deserialize, serialize
from vantage6.common.typed import wrap
from vantage6.tools.dispatch import answer, find_call
from vantage6.tools.dispatch_rpc import dispact_rpc, dispatch_rpc
from vantage6.tools.exceptions import InputError
from vantage6.tools.functions import uses_argument


def ignores(client, data, column):
    return client.average(column)


def reads(client, data):
    return len(data)


def reads_inside(client, data):
    return [row for row in range(3) if row in data]


def reads_later(client, data):
    def later():
        return data

    return later()


def reads_all(client, data):
    return locals()["data"]


def takes_all(*args, **kwargs):
    return args[1]


def replaces(client, data):
    data = client
    return data + 1


@functools.wraps(ignores)
def wrapped(*args, **kwargs):
    return ignores(*args, **kwargs)


class Callable:
    def __call__(self, client, data):
        return None


@pytest.mark.parametrize(
    ("function", "used"),
    [
        (ignores, False),
        (reads, True),
        (reads_inside, True),
        (reads_later, True),
        (reads_all, True),
        (takes_all, True),
        (replaces, True),
        (wrapped, True),
        (Callable(), True),
        (functools.partial(ignores), True),
        (lambda client, data: data + data, True),
        (lambda client, data: client + client, False),
    ],
)
def test_an_argument_that_the_code_never_mentions_is_not_used(function, used):
    assert uses_argument(function, 1) is used


def refuse(*_):
    raise AssertionError("this was not needed")


def test_data_is_not_loaded_for_a_central_function_that_does_not_look_at_it(algorithm):
    def master(client, data, column):
        return [client, column]

    content = answer(
        b'json.{"method": "master", "master": true, "kwargs": {"column": "age"}}',
        algorithm(master=master),
        load_data=refuse,
        connect=lambda: "client",
    )
    assert content == b'json.["client", "age"]'


def test_a_federated_function_gets_data_and_no_client(algorithm):
    content = answer(
        b'json.{"method": "echo", "args": [1]}',
        algorithm(RPC_echo=lambda *arguments: arguments),
        load_data=lambda input_data: input_data["method"],
        connect=refuse,
    )
    assert content == b'json.["echo", 1]'


def test_the_prefix_keeps_central_and_federated_apart(algorithm):
    name = algorithm(mean=lambda client, data: 0, RPC_mean=lambda data: 1)
    assert find_call(name, {"method": "mean"}).name == "RPC_mean"
    assert find_call(name, {"method": "mean", "master": True}).name == "mean"


def test_the_classic_entry_returns_the_answer(algorithm):
    name = algorithm(RPC_add=lambda data, a, b: data + a + b)
    assert dispatch_rpc(1, {"method": "add", "args": [2], "kwargs": {"b": 3}}, name, "token") == 6
    assert dispact_rpc is dispatch_rpc


def test_the_classic_entry_ends_the_program_when_it_cannot(algorithm, capsys):
    with pytest.raises(SystemExit, match="1"):
        dispatch_rpc(None, {"method": "nothing"}, algorithm(), "token")
    assert "warn > The algorithm" in capsys.readouterr().out


def test_a_typed_argument_comes_as_it_was_and_the_answer_goes_back_typed(algorithm):
    table = pandas.DataFrame({"day": pandas.to_datetime(["2026-11-21"]), "n": [numpy.int64(1)]})
    input_ = {"method": "same", "kwargs": {"table": wrap(table)}, "typed": True}
    content = answer(
        serialize(input_),
        algorithm(RPC_same=lambda data, table: table),
        load_data=lambda _: None,
        connect=refuse,
    )
    assert_frame_equal(deserialize(content), table)


@pytest.mark.parametrize("wish", [False, None, 0, 1, "true"])
def test_an_answer_is_plain_unless_types_are_asked_for(algorithm, wish):
    content = answer(
        serialize({"method": "table", "typed": wish}),
        algorithm(RPC_table=lambda data: pandas.DataFrame({"a": [1]})),
        load_data=lambda _: None,
        connect=refuse,
    )
    assert content == b'json.{"a": {"0": 1}}'


def test_a_typed_argument_that_does_not_fit_is_refused(algorithm):
    input_ = {"method": "same", "args": [{"$typed": 1, "value": {"$type": "code"}}]}
    with pytest.raises(InputError, match=r"an argument .* unknown type 'code'"):
        find_call(algorithm(RPC_same=lambda data, table: table), input_)
