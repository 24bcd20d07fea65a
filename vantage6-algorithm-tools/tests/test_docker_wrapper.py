"""A container's whole way: from the files of the node to the answer, or to one clear sentence."""

import io
import json
import pickle

import pandas
import pytest

from vantage6.tools import docker_wrapper as wrappers
from vantage6.tools.docker_wrapper import WrapperBase, docker_wrapper, parquet_wrapper


def mean(data, column):
    return data[column].mean()


FUNCTION, INPUT, DATABASE, METHOD, OUTPUT, DISCLOSURE = 1, 3, 4, 5, 6, 7


def fails(capsys, code, wrapper, *arguments):
    """Run a wrapper that is to fail with an exit code; return the last line that it printed."""
    with pytest.raises(SystemExit) as ended:
        wrapper(*arguments)
    printed = capsys.readouterr()
    assert ended.value.code == code
    assert "Traceback" not in printed.out + printed.err
    return printed.out.strip().splitlines()[-1]


def test_a_function_gets_the_table_and_its_answer_is_written(run, algorithm):
    run.ask(method="mean", args=["age"])
    docker_wrapper(algorithm(RPC_mean=mean))
    assert run.output.read_bytes() == b"json.50.0"


@pytest.mark.parametrize(
    ("sent", "wish", "start"),
    [
        ("json", {}, b"json."),
        ("json", {"output_format": "json"}, b"json."),
        ("json", {"output_format": "PICKLE"}, b"pickle."),
        ("json", {"output_format": None}, b"json."),
        ("pickle", {}, b"pickle."),
        ("legacy", {}, b"\x80"),
        ("legacy", {"output_format": "json"}, b"json."),
        # as the documentation has it
        ("legacy", {"kwargs": {"data_format": "json"}}, b"json."),
    ],
)
def test_the_answer_is_in_the_format_asked_for_or_that_of_the_input(
    run, algorithm, sent, wish, start
):
    run.set("ALLOW_PICKLE", "true")
    run.ask(sent, method="one", **wish)
    docker_wrapper(algorithm(RPC_one=lambda data: 1))
    assert run.output.read_bytes().startswith(start)


def test_a_function_that_knows_data_format_still_gets_it(run, algorithm):
    run.ask(method="echo", kwargs={"data_format": "json"})
    docker_wrapper(algorithm(RPC_echo=lambda data, data_format: data_format))
    assert run.output.read_bytes() == b'json."json"'


def test_empty_lists_and_nulls_of_other_languages_are_no_arguments(run, algorithm):
    run.ask(method="one", args=None, kwargs=[], master=False, debug=False)
    docker_wrapper(algorithm(RPC_one=lambda data: 1))
    assert run.output.read_bytes() == b"json.1"


def test_a_bare_json_input_is_read(run, algorithm):
    run.input.write_text(json.dumps({"method": "one"}))
    docker_wrapper(algorithm(RPC_one=lambda data: 1))
    assert run.output.read_bytes() == b"json.1"


class Trap:
    """Leaves a file when its pickle is read."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("prefix", [b"", b"pickle."])
def test_a_pickled_input_is_not_read_unless_the_node_allows_it(
    run, algorithm, capsys, tmp_path, prefix
):
    run.input.write_bytes(prefix + pickle.dumps(Trap(tmp_path / "sprung")))
    line = fails(capsys, INPUT, docker_wrapper, algorithm())
    assert "pickle" in line
    assert not (tmp_path / "sprung").exists()


def test_a_missing_column_is_told_in_one_line(run, algorithm, capsys):
    run.ask(method="mean", args=["height"])
    line = fails(capsys, FUNCTION, docker_wrapper, algorithm(RPC_mean=mean))
    assert line.startswith("warn > Error encountered while calling RPC_mean: KeyError: 'height' (")
    assert f"{__name__}, line {mean.__code__.co_firstlineno + 1}, in mean" in line
    assert line.endswith("raised in pandas)")
    assert run.output.read_bytes() == b""


def test_an_error_of_many_lines_becomes_one(run, algorithm, capsys):
    def fail(data):
        raise ValueError("first\nsecond")

    run.ask(method="fail")
    line = fails(capsys, FUNCTION, docker_wrapper, algorithm(RPC_fail=fail))
    assert "Error encountered while calling RPC_fail: ValueError: first second (" in line


@pytest.mark.parametrize(
    ("method", "named"),
    [("median", "RPC_median"), ("_secret", "RPC__secret"), ("VALUE", "RPC_VALUE")],
)
def test_a_missing_method_is_told_with_those_there_are(run, algorithm, capsys, method, named):
    run.ask(method=method)
    line = fails(capsys, METHOD, docker_wrapper, algorithm(RPC_mean=mean, RPC_VALUE=3))
    assert f"has no function {named}; its federated functions are" in line
    assert "RPC_mean" in line


def test_a_private_name_is_no_central_function(run, algorithm, capsys):
    run.ask(method="_secret", master=True)
    line = fails(capsys, METHOD, docker_wrapper, algorithm(_secret=lambda client, data: 1))
    assert "has no function _secret" in line


@pytest.mark.parametrize("input_", [{}, {"method": ""}, {"method": 3}])
def test_an_input_without_a_method_is_refused(run, algorithm, capsys, input_):
    run.ask(**input_)
    assert "does not name a method" in fails(capsys, INPUT, docker_wrapper, algorithm())


@pytest.mark.parametrize("content", [b"", b"json.{", b"json.[1]", b"xml.<a/>", b"json.\xff"])
def test_an_input_that_cannot_be_used_is_refused(run, algorithm, capsys, content):
    run.input.write_bytes(content)
    assert fails(capsys, INPUT, docker_wrapper, algorithm()).startswith("error > The input")


@pytest.mark.parametrize("variable", ["INPUT_FILE", "OUTPUT_FILE", "DATABASE_URI"])
def test_a_variable_that_is_not_set_is_named(run, algorithm, capsys, variable):
    code = INPUT
    run.ask(method="mean", args=["age"])
    run.unset(variable)
    assert variable in fails(capsys, code, docker_wrapper, algorithm(RPC_mean=mean))


def test_an_algorithm_that_is_not_installed_is_named(run, capsys):
    run.ask(method="mean")
    assert "'v6-nothing'" in fails(capsys, METHOD, docker_wrapper, "v6-nothing")


def test_an_algorithm_that_cannot_be_imported_says_why(run, capsys, tmp_path, monkeypatch):
    (tmp_path / "v6_broken.py").write_text("import a_library_that_is_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    run.ask(method="mean")
    line = fails(capsys, METHOD, docker_wrapper, "v6_broken")
    assert "a_library_that_is_not_there" in line


def test_the_name_of_the_distribution_will_do(run, tmp_path, monkeypatch):
    (tmp_path / "v6_with_dashes.py").write_text("def RPC_one(data): return 1")
    monkeypatch.syspath_prepend(tmp_path)
    run.ask(method="one")
    docker_wrapper("v6-with-dashes")
    assert run.output.read_bytes() == b"json.1"


def test_a_database_that_is_not_there(run, algorithm, capsys):
    run.database.unlink()
    run.ask(method="mean", args=["age"])
    line = fails(capsys, DATABASE, docker_wrapper, algorithm(RPC_mean=mean))
    assert line == "error > The database file that the node names is not there"


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n1,2,SECRET\n", b"a\n\xff\xfeSECRET\n"])
def test_a_database_that_cannot_be_read_is_told_without_its_content(
    run, algorithm, capsys, content
):
    run.database.write_bytes(content)
    run.ask(method="mean", args=["a"])
    line = fails(capsys, DATABASE, docker_wrapper, algorithm(RPC_mean=mean))
    assert line.startswith("error > The database could not be read by DockerWrapper")
    assert "SECRET" not in line


def test_an_answer_that_json_cannot_hold(run, algorithm, capsys):
    run.ask(method="bad")
    line = fails(capsys, OUTPUT, docker_wrapper, algorithm(RPC_bad=lambda data: object()))
    assert "type object cannot be put into JSON" in line
    assert run.output.read_bytes() == b""


def test_an_unknown_format_is_refused_before_the_function_runs(run, algorithm, capsys):
    called = []
    run.ask(method="one", output_format="xml")
    line = fails(capsys, OUTPUT, docker_wrapper, algorithm(RPC_one=called.append))
    assert "'xml'" in line
    assert not called


def test_a_data_frame_can_be_the_answer(run, algorithm):
    run.ask(method="head")
    docker_wrapper(algorithm(RPC_head=lambda data: data.head(1)))
    assert json.loads(run.output.read_bytes()[5:]) == {"age": {"0": 40}, "sex": {"0": "f"}}


def test_an_algorithm_without_data_needs_no_database(run, algorithm):
    run.unset("DATABASE_URI")
    run.ask(method="none")
    docker_wrapper(algorithm(RPC_none=lambda data: data is None), load_data=False)
    assert run.output.read_bytes() == b"json.true"


def test_a_parquet_file_is_read(run, algorithm):
    pandas.read_csv(run.database).to_parquet(run.database)
    run.ask(method="mean", args=["age"])
    parquet_wrapper(algorithm(RPC_mean=mean))
    assert run.output.read_bytes() == b"json.50.0"


def test_a_wrapper_of_somebody_else_loads_its_own_data(run, algorithm):
    class Rows(WrapperBase):
        @staticmethod
        def load_data(database_uri, input_data):
            return [database_uri, input_data["method"]]

    run.ask(method="echo")
    Rows().wrap_algorithm(algorithm(RPC_echo=lambda data: data))
    assert json.loads(run.output.read_bytes()[5:]) == [str(run.database), "echo"]


def test_the_pieces_that_other_wrappers_use(run, tmp_path):
    run.ask(method="one")
    assert wrappers.load_input(run.input) == {"method": "one"}
    assert wrappers._load_data is wrappers.load_input
    assert wrappers._read_formatted(io.BytesIO(b"JSON.[1]")) == [1]
    file = io.BytesIO(b"json.rest")
    assert ("".join(wrappers._read_data_format(file)), file.read()) == ("json", b"rest")
    wrappers.write_output("json", [1], tmp_path / "answer")
    assert (tmp_path / "answer").read_bytes() == b"json.[1]"
    wrappers.write_output(None, [1], tmp_path / "answer")
    assert pickle.loads((tmp_path / "answer").read_bytes()) == [1]


def test_the_address_tells_auto_wrapper_the_kind(run, algorithm):
    from vantage6.tools.wrapper import auto_wrapper, multidb_wrapper

    parquet = run.database.with_suffix(".parquet")
    pandas.read_csv(run.database).to_parquet(parquet)
    run.ask(method="mean", args=["age"])
    for path in (run.database, parquet):
        run.set("DATABASE_URI", str(path))
        auto_wrapper(algorithm(RPC_mean=mean))
        assert run.output.read_bytes() == b"json.50.0"
    run.set("OTHER_DATABASE_URI", "postgresql://x")
    run.ask(method="echo")
    multidb_wrapper(algorithm(RPC_echo=lambda data: data))
    assert json.loads(run.output.read_bytes()[5:]) == {"other": "postgresql://x"}
