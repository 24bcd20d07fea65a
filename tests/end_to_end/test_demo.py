"""`make demo` as a newcomer meets it: once, twice, kept, and killed half way."""

import fcntl
import json
import os
import subprocess
import sys

import pytest

from development import demo, federation
from vantage6.client import Client

pytestmark = pytest.mark.docker


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "demo"
    yield folder
    federation.remove(folder / "federation")


@pytest.fixture
def start(image, folder):
    """Start a demo in a folder of its own, with nothing of this terminal."""

    def start(*arguments, **environment):
        return subprocess.Popen(
            [sys.executable, "-m", "development.demo", *arguments],
            cwd=demo.ROOT,
            env={**os.environ, "DEMO_FOLDER": str(folder), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture
def run(start):
    def run(*arguments, **environment):
        process = start(*arguments, **environment)
        output, errors = process.communicate(timeout=200)
        assert "Traceback" not in errors
        return process.returncode, output, errors

    return run


def check(output):
    report = json.loads(output.strip().splitlines()[-1])
    assert {"task", "bare docker run", "total"} <= report["seconds"].keys()
    mean = report["figures"]["mean"]
    assert mean["federated"] == pytest.approx(mean["pooled"], rel=1e-12)
    assert sum(report["rows"].values()) == 569


def test_it_works_after_one_that_was_killed_and_leaves_nothing(start, run, folder):
    killed = start()
    while "three nodes" not in killed.stdout.readline():
        assert killed.poll() is None
    killed.kill()
    killed.communicate()
    assert federation.living_processes(folder / "federation")
    status, output, _ = run()
    assert status == 0
    check(output)
    assert not folder.exists()


def test_one_that_is_kept_says_how_to_go_on_and_can_be_stopped(run, folder):
    status, output, _ = run(KEEP="1")
    assert status == 0
    check(output)
    assert "demo-stop" in output
    assert f'Client.from_profile("{folder / "profile.yaml"}")' in output
    assert Client.from_profile(folder / "profile.yaml").name == "Ada"
    assert len(federation.living_processes(folder / "federation")) == 4

    status, _, errors = run()
    assert status == 1
    assert "still running" in errors

    status, _, _ = run("stop")
    assert status == 0
    assert not folder.exists()


def test_a_second_one_beside_it_says_so(run, folder):
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        status, _, errors = run()
    assert status == 1
    assert "another `make demo` is running" in errors
