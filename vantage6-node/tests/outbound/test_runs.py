"""What a run gets to reach, from its task to its log; with a runner in memory."""

import json
import socket

import pytest

from vantage6.node.databases import Databases
from vantage6.node.rules import Limits, Rules
from vantage6.node.runner.fake import RUNS_ON
from vantage6.node.runner.interface import Service
from vantage6.node.state import Clean, Collect, Readmit, Start, Started
from vantage6.node.timeline import Timeline


@pytest.fixture
def configured(database, owners_policy):
    """What an owner opens."""
    return {
        "databases": Databases(
            {
                "default": str(database),
                "omop": "postgresql://user:secret@omop.house/x",
                "bucket": "s3://bucket/key",
            }
        ),
        "services": {"rdf": "rdf-1", "gone": "gone-1"},
        "policy": owners_policy(databases=("omop",), destinations=("127.0.0.1:9",)),
    }


@pytest.fixture
def owners_policy(doubles):
    return lambda **values: doubles.policy("average", rules=Rules(Limits(output=1000), **values))


@pytest.fixture
def perform(make_work, runner):
    runner.open(lambda notice: None)
    runner.services["rdf-1"] = Service("127.0.0.1", (8890,))
    runner.programs["average"] = lambda container: RUNS_ON

    def perform(work, run, action):
        return work.perform(action, run, Timeline())

    return perform


def listening(runner, run):
    return [tuple(entry[:2]) for entry in runner.listening[run.result_id]]


def test_a_run_reaches_its_databases_the_services_and_the_destinations(
    make_work, server, runner, assignment, perform, configured
):
    run = server.add(assignment())
    assert isinstance(perform(make_work(**configured), run, Start()), Started)
    settings = runner.containers[run.result_id].settings
    assert settings.hosts == {
        "omop.house": "127.0.0.2",
        "host-127-0-0-1": "127.0.0.3",
        "rdf": "127.0.0.4",
    }
    assert listening(runner, run) == [
        ("127.0.0.2", 5432),
        ("127.0.0.3", 9),
        ("127.0.0.4", 8890),
    ]
    assert settings.environment["OMOP_DATABASE_URI"] == "postgresql://user:secret@omop.house/x"
    assert "BUCKET_DATABASE_URI" not in settings.environment


def test_nothing_is_opened_for_a_run_that_may_reach_nothing(
    make_work, server, runner, assignment, perform
):
    run = server.add(assignment())
    perform(make_work(), run, Start())
    assert run.result_id not in runner.listening
    assert runner.containers[run.result_id].settings.hosts == {}


def test_what_did_not_work_is_in_the_log_of_the_run_and_what_went_through_in_the_audit(
    make_work, server, runner, assignment, perform, configured, tmp_path
):
    work, run = make_work(**configured), server.add(assignment(database="bucket"))
    perform(work, run, Start())
    sandbox = runner.sandbox(run.result_id)
    with socket.socket(socket.AF_UNIX) as algorithm:
        # the port of the destination is closed
        algorithm.connect(str(sandbox / "destination-1.sock"))
        assert algorithm.recv(1) == b""
    runner.finish(run.result_id, 1)
    said = perform(work, run, Collect()).report.log
    assert "'gone' of this node cannot be reached: there is no container" in said
    assert "No connection is open to the database 'bucket'" in said
    assert "could not connect the run with 127.0.0.1:9" in said
    assert "secret" not in said
    lines = b"".join(path.read_bytes() for path in (tmp_path / "audit").glob("*.jsonl"))
    told = [json.loads(line) for line in lines.splitlines()]
    (ended,) = [line for line in told if "run ended" in json.dumps(line)]
    assert '"to": "127.0.0.1:9"' in json.dumps(ended)
    assert "secret" not in lines.decode()


def test_a_run_of_an_earlier_process_gets_back_what_still_is_allowed(
    make_work, server, runner, assignment, perform, configured, owners_policy
):
    first, run = make_work(**configured), server.add(assignment())
    perform(first, run, Start())
    first.close()
    runner.listening.clear()
    # the service is away just now, and the owner has thought better of the destination
    runner.services.clear()
    configured["policy"] = owners_policy(databases=("omop",))
    second = make_work(**configured)
    perform(second, run, Readmit())
    assert listening(runner, run) == [("127.0.0.2", 5432), ("127.0.0.4", 8890)]
    perform(second, run, Clean())
    with socket.socket(socket.AF_UNIX) as late, pytest.raises(OSError, match=r"refused|No such"):
        late.connect(str(runner.sandbox(run.result_id) / "destination-0.sock"))


@pytest.mark.parametrize("end", ["killed", "the node stops"])
def test_anchor_D_audit_of_what_went_through_before_a_run_was_cut_off(  # noqa: N802
    make_work, server, runner, assignment, perform, configured, tmp_path, end
):
    work, run = make_work(**configured), server.add(assignment())
    perform(work, run, Start())
    if end == "killed":
        server.kill(run)
        perform(work, run, Clean(confirm=True))
    else:
        work.close()
    lines = b"".join(path.read_bytes() for path in (tmp_path / "audit").glob("*.jsonl"))
    (cut,) = [line for line in lines.splitlines() if b"connections closed" in line]
    assert b"omop.house:5432" in cut
