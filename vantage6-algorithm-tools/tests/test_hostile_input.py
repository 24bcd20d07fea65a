"""Whoever may ask for a run may send any bytes as its input: each is used, or refused in words."""

import json
import os
import types

import pytest

from vantage6.tools.docker_wrapper import docker_wrapper
from vantage6.tools.util import info


def central(client, data):
    return "central"


class Model:
    """A class of the algorithm, which is none of its functions."""


def imported(client, data):
    raise AssertionError("this was not for anybody to call")


imported.__module__ = "some_library"


@pytest.fixture
def refusal(run, algorithm, capsys):
    """Send bytes as an input; gives the last line of the log and the exit code."""

    def refusal(content):
        run.input.write_bytes(content)
        name = algorithm(
            central=central,
            RPC_count=len,
            RPC_Model=Model,
            Model=Model,
            os=os,
            system=os.system,
            info=info,
            types=types,
            imported=imported,
            VALUE=3,
        )
        with pytest.raises(SystemExit) as ended:
            docker_wrapper(name)
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err + printed.out
        return printed.out.strip().splitlines()[-1], ended.value.code

    return refusal


def body(**input_):
    return b"json." + json.dumps(input_).encode()


NAMES = [
    "__class__", "__dict__", "__builtins__", "_private", "os.system", "os", "system", "info",
    "types", "imported", "Model", "VALUE", "central.__globals__", "RPC_", "", " ", "a" * 100_000,
    "central\0", "центр",
]  # fmt: skip


@pytest.mark.parametrize("central", [True, False], ids=["central", "federated"])
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_that_is_no_function_of_the_algorithm_is_not_called(refusal, name, central):
    line, code = refusal(body(method=name, master=central))
    assert code in (3, 5)
    assert len(line) < 600


def test_what_an_algorithm_only_imports_is_refused_with_the_way_out(refusal):
    line, _ = refusal(body(method="system", master=True))
    assert "only imports it" in line
    assert "__all__" in line


def test_what_an_algorithm_lists_itself_is_its_own(run, algorithm):
    def elsewhere(client, data):
        return "called"

    elsewhere.__module__ = "another_package"
    run.set("HOST", "http://proxy")
    run.set("PORT", "80")
    from vantage6.tools.dispatch import find_call

    name = algorithm(elsewhere=elsewhere, __all__=["elsewhere"])
    assert find_call(name, {"method": "elsewhere", "master": True}).name == "elsewhere"


CONTENTS = {
    "nested without end": b"json." + b"[" * 200_000,
    "objects without end": b'json.{"method":' * 1 + b'{"a":' * 100_000,
    "key twice": b'json.{"method": "count", "method": "system"}',
    "key twice below": b'json.{"method": "count", "kwargs": {"a": 1, "a": 2}}',
    "number of many digits": b'json.{"method": "count", "args": [' + b"9" * 100_000 + b"]}",
    "no JSON": b"json.{'method': 'count'}",
    "not UTF-8": b'json.{"method": "\xff"}',
    "a list": b'json.["count"]',
    "a number": b"json.1",
    "a word": b"json.NaN",
    "nothing": b"",
    "nothing after the format": b"json.",
    "zeros": b"\0" * 1000,
    "a format of somebody": b"rds.\x1f\x8b",
    "typed form of another kind": b'json.{"$typed": 9, "value": {"method": "count"}}',
    "method is a list": body(method=["count"]),
    "method is an object": body(method={"a": 1}),
    "args is text": body(method="count", args="ab"),
    "args is an object": body(method="count", args={"a": 1}),
    "kwargs is a list": body(method="count", kwargs=[1]),
    "kwargs is text": body(method="count", kwargs="ab"),
    "format is a list": body(method="count", output_format=["json"]),
    "format is a path": body(method="count", output_format="../../etc/passwd"),
    "typed argument": body(method="count", args=[{"$typed": 1, "value": {"$type": "os"}}]),
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_an_input_of_another_shape_is_refused_in_one_short_line(refusal, content, run):
    line, code = refusal(content)
    assert line.startswith("error > The ")
    assert code in (3, 6)
    assert len(line) < 300
    assert run.output.read_bytes() == b""


def test_numbers_beyond_64_bits_keep_every_digit(run, algorithm):
    run.input.write_bytes(body(method="same", args=[2**200, -(2**63) - 1]))
    docker_wrapper(algorithm(RPC_same=lambda data, *numbers: numbers))
    assert json.loads(run.output.read_bytes()[5:]) == [2**200, -(2**63) - 1]
