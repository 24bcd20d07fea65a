"""One test per published hole that concerns containers, files and words of a node.

Named after their entries. B: weaknesses of the source, C: holes of peers, D: controls. What needs
an engine is in `tests/runner` under the same names: A22 (`test_confinement.py`), E4
(`test_signatures.py`); A10 is in `tests/end_to_end/test_vnode.py`.
"""
# ruff: noqa: N802

import hashlib
import io
import json
import os
import resource
import socket
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from vantage6.common.encryption import RSACryptor
from vantage6.common.pins import Pins
from vantage6.common.task_status import TaskStatus
from vantage6.node.assignment import Assignment
from vantage6.node.audit import AuditLog
from vantage6.node.audit.files import lines
from vantage6.node.cli.start import allow_files
from vantage6.node.configuration import NodeSchema
from vantage6.node.container.settings import ENGINE_SOCKET, command
from vantage6.node.databases import DatabaseMissing, Databases
from vantage6.node.globals import SOCKET_NAME
from vantage6.node.image import bundle
from vantage6.node.image.store import ImageStore
from vantage6.node.journal import Journal
from vantage6.node.runner.fake import RUNS_ON
from vantage6.node.state import Collect, Collected, Deliver, Start, Started
from vantage6.node.timeline import Timeline


@pytest.fixture
def start(make_work, server, runner, assignment):
    """Start a run of a program; gives the work, the run and what its container was made of."""
    runner.open(lambda message: None)

    def start_(program):
        runner.programs["average"] = program
        work, run = make_work(), server.add(assignment())
        assert isinstance(work.perform(Start(), run, Timeline()), Started)
        return work, run, runner.containers[run.result_id].settings

    return start_


def test_anchor_B_algorithm_token_is_in_no_variable_and_ends_with_its_run(start, runner):
    work, run, settings = start(lambda container: RUNS_ON)
    token = f"token-of-{run.task_id}"
    assert token not in json.dumps([dict(settings.environment), dict(settings.labels)])
    door = runner.sandbox(run.result_id) / SOCKET_NAME
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(door))
    runner.finish(run.result_id, 0)
    work.perform(Collect(), run, Timeline())
    with socket.socket(socket.AF_UNIX) as caller, pytest.raises(OSError):
        caller.connect(str(door))


def test_anchor_B_algorithm_logs_stay_unless_a_run_fails(start):
    assert NodeSchema().fields["algorithm_logs"].load_default == "on_failure"

    def talks(container, exit_code=0):
        container.log = "patient 4711\n" * 100
        container.write_output(b"json.1")
        return exit_code

    for exit_code, told in ((0, 0), (1, 30)):
        work, run, _ = start(lambda container, code=exit_code: talks(container, code))
        event = work.perform(Collect(), run, Timeline())
        assert isinstance(event, Collected)
        assert event.report.log.count("4711") == told


def test_anchor_B_engine_socket_is_for_the_node_alone(start):
    _, _, settings = start(lambda container: RUNS_ON)
    sources = [str(mount.source) for mount in settings.mounts]
    assert not any(str(ENGINE_SOCKET).startswith(source) for source in sources)
    assert not any(source.endswith(".sock") for source in sources)


def test_anchor_B_one_private_key_that_can_be_replaced(tmp_path):
    """Another key counts as soon as, and not before, the owner has confirmed its fingerprint."""
    keys = []
    for name in ("old", "new"):
        RSACryptor.create_new_rsa_key(tmp_path / name)
        keys.append(RSACryptor(tmp_path / name).public_key_str)
    pins = Pins(tmp_path / "pins.json", "server", "confirm {}")
    assert pins.trusted_key(8, keys[0]) == keys[0]
    with pytest.raises(Exception, match="confirm 8"):
        pins.trusted_key(8, keys[1])
    pins.confirm(8)
    assert pins.trusted_key(8, keys[1]) == keys[1]


def test_anchor_C_nvflare_2_8_files_with_secrets_are_their_owners_alone(tmp_path):
    before = os.umask(0)
    try:
        RSACryptor.create_new_rsa_key(tmp_path / "key.pem")
        Pins(tmp_path / "pins.json", "server", "").hold(
            7, RSACryptor(tmp_path / "key.pem").public_key_str, "north"
        )
        Journal(tmp_path / "journal.sqlite").close()
        AuditLog(tmp_path / "audit").append("event")
    finally:
        os.umask(before)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 4
    assert {path.name: path.stat().st_mode & 0o077 for path in files if path.stat().st_size} == {
        path.name: 0 for path in files if path.stat().st_size
    }


def test_anchor_C_nvflare_2_9_no_credential_is_a_word_of_a_command(tmp_path):
    context = SimpleNamespace(
        name="north", environment="prod", scope="user", config={"api_key": "secret-key"}
    )
    assert "secret-key" not in " ".join(command(context))


def test_cve_2022_21822_C_runs_cannot_use_up_the_files_of_the_node():
    """Each holds up to 32 calls, passed on to the server, and 64 connections to destinations."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, before[1]), before[1]))
    try:
        allow_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (min(2**16, before[1]), before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("odd", ["../1", "/etc/passwd", "1/../2", b"1"])
def test_cve_2026_24204_C_no_text_of_a_server_becomes_a_path(odd):
    task = {"id": 2, "run_id": 3, "image": "average", "database": odd, "initiator": 4}
    with pytest.raises(TypeError):
        Assignment.from_wire({"id": odd, "input": "", "task": task})
    with pytest.raises(TypeError):
        Assignment.from_wire({"id": 1, "input": "", "task": {**task, "run_id": odd}})
    with pytest.raises(DatabaseMissing):
        Databases({}).choose(str(odd))


def test_anchor_C_nvflare_2_8_archives_write_where_they_may(tmp_path):
    """What names itself out of the folder of the store is no document of an image."""
    content = b'{"config": {"digest": "sha256:1"}}'
    name = hashlib.sha256(content).hexdigest()
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        for path in (f"../sha256:{name}.manifest", f"/tmp/sha256:{name}.manifest"):
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    with pytest.raises(bundle.BundleUnusable):
        bundle.load(None, ImageStore(tmp_path / "store"), tmp_path / "evil.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["evil.tar"]
    assert not Path(f"/tmp/sha256:{name}.manifest").exists()


def test_anchor_D_audit_of_a_run_says_who_what_on_what_why_and_how_much(start, tmp_path):
    def average(container):
        container.write_output(b"json.4.5")
        return 0

    work, run, _ = start(average)
    event = work.perform(Collect(), run, Timeline())
    assert isinstance(event, Collected)
    assert event.report.status is TaskStatus.COMPLETED
    work.perform(Deliver(event.report), run, Timeline())
    said = [json.loads(line) for _, line in lines(tmp_path / "audit")]
    told = {entry["event"]: json.dumps(entry) for entry in said}
    for fact in ("organization_id", '"image": "average"', "mean", "input_sha256", "default"):
        assert fact in told["run allowed"]
    assert "allowed_images: average" in told["run allowed"]
    assert hashlib.sha256(b"json.4.5").hexdigest() in told["result leaves"]
    assert '"output_bytes": 8' in told["result leaves"]
