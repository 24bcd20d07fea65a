"""One test per published hole and per class of holes that the tools of algorithms answer for.

Named after the entries, as in the server's tests of that name. What there is to a subject stands
in `test_failure.py`, `test_hostile_input.py`, `test_readers.py`, and in `test_typed.py` of common.
"""
# ruff: noqa: N802

import ast
import base64
import json
import os
import pickle
from pathlib import Path

import pytest

from vantage6.common.client.container import ContainerClient
from vantage6.common.exceptions import DeserializationException
from vantage6.common.serialization import deserialize
from vantage6.tools.disclosure import Disclosure, DisclosureRefused
from vantage6.tools.dispatch_rpc import dispatch_rpc
from vantage6.tools.docker_wrapper import docker_wrapper
from vantage6.tools.exceptions import DatabaseError
from vantage6.tools.readers import choice, sql

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = [
    *ROOT.glob("vantage6-algorithm-tools/vantage6/**/*.py"),
    *ROOT.glob("vantage6-common/vantage6/**/*.py"),
    *ROOT.glob("vantage6-client/vantage6/**/*.py"),
    *ROOT.glob("algorithms/*/v6_*/**/*.py"),
]
#: What makes programs of data; of pickle one call in one place, behind `allow_pickle`.
DANGEROUS = {
    "eval", "exec", "pickle.load", "pickle.Unpickler", "yaml.load", "yaml.unsafe_load",
    "joblib.load", "torch.load", "marshal.loads", "shelve.open", "dill.loads", "numpy.load",
    "pandas.read_pickle", "os.system",
}  # fmt: skip


class Trap:
    """Leaves a file when its pickle is read."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def ended(capsys, module):
    with pytest.raises(SystemExit) as end:
        docker_wrapper(module)
    printed = capsys.readouterr()
    return end.value.code, printed.out + printed.err


@pytest.mark.parametrize("prefix", [b"", b"pickle.", b"PICKLE.", b"Pickle."])
def test_A4_CVE_2023_23930_a_pickled_input_runs_nothing(run, algorithm, capsys, tmp_path, prefix):
    run.input.write_bytes(prefix + pickle.dumps(Trap(tmp_path / "sprung")))
    code, log = ended(capsys, algorithm())
    assert code == 3
    assert "ask for JSON" in log
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("prefix", [b"", b"pickle."])
def test_A4_CVE_2023_23930_a_pickled_answer_of_a_partner_runs_nothing(tmp_path, prefix):
    payload = prefix + pickle.dumps(Trap(tmp_path / "sprung"))
    result = base64.b64encode(payload).decode()

    class Server:
        def request(self, method, url, **_):
            class Answer:
                status_code = 200
                content = b"an answer"

                def json(self):
                    run = {"id": 1, "result": result, "organization": 2, "status": "completed"}
                    return [run] if url.endswith("/result") else {"complete": True}

            return Answer()

        def close(self):
            pass

    claims = {"client_type": "container", "node_id": 1, "organization_id": 1, "task_id": 1,
              "collaboration_id": 1, "image": "i", "database": "default"}  # fmt: skip
    token = f".{base64.urlsafe_b64encode(json.dumps({'sub': claims}).encode()).decode()}."
    client = ContainerClient(token, "http://proxy", None, session=Server())
    with pytest.raises(DeserializationException, match="pickle"):
        client.wait_for_results(7)
    assert not (tmp_path / "sprung").exists()


def test_A4_nothing_that_is_shipped_makes_programs_of_data():
    found = []
    for path in SHIPPED:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                if name in DANGEROUS or name == "pickle.loads":
                    found.append((path.name, name))
    assert found == [("serialization.py", "pickle.loads")]
    assert len(SHIPPED) > 50


def test_A9_CVE_2024_21649_an_input_sets_no_variable(run, algorithm):
    before = dict(os.environ)
    injected = {"LD_PRELOAD": "/evil.so", "DATABASE_URI": "/etc/passwd", "ALLOW_PICKLE": "true"}
    keys = ("env", "environment", "environment_variables", "algorithm_env")
    run.ask(method="rows", **injected, **dict.fromkeys(keys, injected))
    docker_wrapper(algorithm(RPC_rows=len))
    assert dict(os.environ) == before
    assert run.output.read_bytes() == b"json.3"


@pytest.mark.parametrize("name", ["os", "../../evil", "__init__", "choice", "subprocess", "pickle"])
def test_C_no_module_is_imported_because_of_a_name_in_a_payload(run, name):
    # The kind is the owner's word, and even that picks from a closed list.
    assert choice.kind_of(str(run.database), name) == choice.CSV


def test_B_an_algorithm_is_no_way_to_what_it_imports(run, algorithm, capsys):
    for method in ("system", "docker_wrapper", "__import__", "eval"):
        run.ask(method=method, master=True, args=["true"])
        module = algorithm(system=os.system, docker_wrapper=docker_wrapper, eval=eval)
        code, log = ended(capsys, module)
        assert code == 5
        assert method in log
        with pytest.raises(SystemExit):
            dispatch_rpc(None, {"method": method, "master": True}, module, "token")
        capsys.readouterr()


def test_B_the_token_is_in_no_line_of_the_log(run, algorithm, capsys):
    token = "a.very-secret-token.indeed"
    Path(os.environ["TOKEN_FILE"]).write_text(token)
    run.set("HOST", "http://proxy")
    run.set("PORT", "80")
    run.ask(method="central", master=True)

    def central(client, data):
        raise AssertionError("unreachable")

    code, log = ended(capsys, algorithm(central=central))
    assert code == 1
    assert "very-secret" not in log


def test_B_a_log_shows_no_value_of_a_row(run, algorithm, capsys):
    run.database.write_text("name\nMr Smith\n")
    run.ask(method="mean")
    code, log = ended(capsys, algorithm(RPC_mean=lambda data: data["name"].astype(float).mean()))
    assert code == 1
    assert "Smith" not in log


@pytest.mark.parametrize("kind", ["os.system", "builtins.eval", "pickle", "object", "module"])
def test_C_CVE_2026_24186_the_typed_form_has_a_closed_list_of_types(kind):
    body = {"$typed": 1, "value": {"$type": kind, "value": "x", "args": ["true"]}}
    with pytest.raises(DeserializationException, match="unknown type"):
        deserialize(b"json." + json.dumps(body).encode())


@pytest.mark.parametrize("zone", ["../../../etc/passwd", "/etc/passwd", "dateutil//etc/passwd"])
def test_C_CVE_2026_24204_a_name_in_a_payload_opens_no_file(zone):
    value = {"$type": "datetime", "value": "2026-11-21T00:00+00:00", "zone": zone}
    with pytest.raises(DeserializationException, match="no time zone"):
        deserialize(json.dumps({"$typed": 1, "value": value}).encode())


@pytest.mark.parametrize(
    "value",
    [
        {"$type": "array", "dtype": "int8", "shape": [2**40], "values": []},
        {"$type": "index", "dtype": "range", "start": 0, "stop": 2**50, "step": 1},
        {"$type": "array", "dtype": "text", "shape": [2001], "values": ["x" * 10**7, *[""] * 2000]},
    ],
    ids=["shape", "range", "width"],
)
def test_C_CVE_2022_21822_a_small_payload_makes_no_large_value(value):
    with pytest.raises(DeserializationException):
        deserialize(json.dumps({"$typed": 1, "value": value}).encode())


def test_D_no_input_changes_the_thresholds_of_the_data_owner(run, algorithm, capsys):
    run.set("DISCLOSURE_MINIMUM_ROWS", "10")

    def count(data, **_):
        Disclosure.at_this_site().require_rows(len(data))
        return len(data)

    lower = {"DISCLOSURE_MINIMUM_ROWS": "1", "minimum_rows": 1, "thresholds": {"minimum_rows": 1}}
    run.ask(method="count", kwargs=lower, **lower)
    code, log = ended(capsys, algorithm(RPC_count=count))
    assert code == DisclosureRefused.exit_code
    assert "fewer than 10" in log
    assert run.output.read_bytes() == b""


def test_E9_a_query_of_a_stranger_writes_nothing(tmp_path, monkeypatch):
    import sqlite3

    monkeypatch.setenv("DISCLOSURE_OWN_QUERIES", "true")
    path = tmp_path / "patients.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE patients (age int); INSERT INTO patients VALUES (40)")
    connection.close()
    before = path.read_bytes()
    other = tmp_path / "other.sqlite"
    for query in ("DROP TABLE patients", f"ATTACH '{other}' AS other", "SELECT 1; DROP TABLE x"):
        with pytest.raises(DatabaseError):
            sql.read(str(path), {"query": query})
    assert path.read_bytes() == before
    assert not other.exists()
