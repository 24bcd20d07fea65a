"""`v6-algorithm test`: from the tests over the mock to containers, and what it says on the way."""

import os
import secrets
import shutil
import signal
import subprocess
from contextlib import closing

import psutil
import pytest

from development.engine import connect
from development.images import ALGORITHM_BASE, ensure, ensure_relay_image
from vantage6.tools.cli import scaffold
from vantage6.tools.cli.containers import Outcome
from vantage6.tools.cli.trial import _verdict
from vantage6.tools.local_federation import COMMANDS

NOWHERE = "unix:///nowhere/docker.sock"
REFUSE_AT_EAST = """    if len(data) == 18 and "TOKEN_FILE" in __import__("os").environ:
        print("what the log says")
        raise RuntimeError("not beside a proxy")
    if column not in data.columns:"""


@pytest.fixture
def names():
    """A name that no other test has: images of this name are looked for."""
    return scaffold.names_of(f"pressure-{secrets.token_hex(4)}")


def test_the_mock_alone_will_do_where_that_is_asked_for(v6_algorithm, new):
    done = v6_algorithm("test", new, "--mock-only", DOCKER_HOST=NOWHERE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("All questions are answered on the mock.\n")


def test_without_an_engine_the_mock_is_asked_and_the_rest_is_missed(v6_algorithm, new):
    done = v6_algorithm("test", new, DOCKER_HOST=NOWHERE)
    assert done.returncode == 1
    assert "Questions on the mock" in done.stdout
    assert "No container engine answers" in done.stderr
    assert "--mock-only" in done.stderr


def test_a_test_that_fails_ends_it(v6_algorithm, new, change):
    change("tests", '"mean": 3.5', '"mean": 3.6')
    done = v6_algorithm("test", new)
    assert done.returncode == 1
    assert "2 failed" in done.stdout
    assert "Questions" not in done.stdout


def test_an_algorithm_without_tests_is_not_tested(v6_algorithm, new):
    shutil.rmtree(new / "tests")
    done = v6_algorithm("test", new, "--mock-only")
    assert (done.returncode, "has no tests" in done.stderr) == (1, True)


def test_a_question_that_fails_on_the_mock_ends_it(v6_algorithm, new, change):
    change("pyproject.toml", 'column = "pressure"', 'column = "presure"')
    done = v6_algorithm("test", new)
    assert done.returncode == 1
    assert "what leaves each site, failure of east: " in done.stdout
    assert "There is no column 'presure'" in done.stdout
    assert "image" not in done.stdout


def test_a_package_that_cannot_be_imported_ends_it_with_the_reason(v6_algorithm, new, change):
    change("package", "import math", "import math, no_such_library")
    (test,) = (new / "tests").iterdir()
    test.write_text("def test_nothing():\n    pass\n")
    done = v6_algorithm("test", new, "--mock-only")
    assert done.returncode == 1
    assert "no_such_library" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_thresholds_of_the_terminal_are_not_those_of_the_mock(v6_algorithm, new):
    done = v6_algorithm("test", new, "--mock-only", DISCLOSURE_MINIMUM_ROWS="1000")
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def images():
    """What containers need; the image of the algorithm is built by the command."""
    ensure(ALGORITHM_BASE)
    ensure_relay_image()


@pytest.fixture
def left(v6_algorithm, names):
    """What trials left: folders, processes of theirs, images, containers."""

    def look():
        folders = list(v6_algorithm.temporary.iterdir())
        running = processes(str(v6_algorithm.temporary))
        with closing(connect()) as engine:
            tags = [tag for image in engine.api.images() for tag in image["RepoTags"] or []]
            containers = [one["Image"] for one in engine.api.containers(all=True)]
        ours = [name for name in tags + containers if names.distribution in name]
        return folders, running, ours

    return look


def processes(folder):
    """Those whose command line names a folder."""
    lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if folder in " ".join(line)]


NOTHING = ([], [], [])


@pytest.mark.docker
def test_what_fails_at_one_site_only_is_told_with_its_log(v6_algorithm, new, change, images, left):
    change("package", "    if column not in data.columns:", REFUSE_AT_EAST)
    done = v6_algorithm("test", new)
    assert done.returncode == 1
    assert "failed at east" in done.stdout
    assert "  east: | what the log says" in done.stdout
    assert "RuntimeError: not beside a proxy" in done.stdout
    assert "what leaves each site, answer of south: " in done.stdout
    assert left() == NOTHING


@pytest.mark.parametrize(
    ("answers", "failures", "verdict"),
    [
        ({"north": {"mean": 1.0}}, {}, ""),
        ({"north": {"mean": 1.5}}, {}, "north.mean is 1.0 and 1.5"),
        ({}, {}, "north is in one of them only"),
        ({"north": {"mean": 1.0}}, {"east": "crashed"}, "failed at east"),
    ],
)
def test_what_is_wrong_is_told_with_the_place(answers, failures, verdict):
    real = Outcome(answers, failures, 1.0, [])
    assert _verdict({"north": {"mean": 1.0}}, real, 1e-9) == verdict


@pytest.mark.docker
def test_a_question_that_takes_too_long_is_given_up(v6_algorithm, new, change, images, left):
    change(
        "package",
        "    if column not in data.columns:",
        '    while "TOKEN_FILE" in __import__("os").environ:\n        pass\n'
        "    if column not in data.columns:",
    )
    done = v6_algorithm("test", new, "--timeout", "3")
    assert done.returncode == 1
    assert "failure of south: it did not end within 3 seconds" in done.stdout
    assert left() == NOTHING


@pytest.mark.docker
@pytest.mark.parametrize(
    ("line", "reason"),
    [("RUN echo what-the-build-says && false", "what-the-build-says"), ("NONSENSE", "NONSENSE")],
)
def test_a_dockerfile_that_does_not_build_is_told_with_its_last_lines(
    v6_algorithm, new, images, line, reason, left
):
    with (new / "Dockerfile").open("a") as file:
        file.write(f"\n{line}\n")
    done = v6_algorithm("test", new)
    assert done.returncode == 1
    assert "The image could not be built" in done.stderr
    assert reason in done.stderr
    assert left() == NOTHING


@pytest.mark.docker
def test_a_missing_dockerfile_is_named(v6_algorithm, new, images):
    (new / "Dockerfile").unlink()
    assert "There is no Dockerfile" in v6_algorithm("test", new).stderr


@pytest.mark.docker
@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGINT, "The image is built"),
        (signal.SIGTERM, "Asking 'mean of all sites'"),
    ],
)
def test_who_is_told_to_stop_leaves_nothing(v6_algorithm, new, images, number, moment, left):
    environment = {**os.environ, "TMPDIR": str(v6_algorithm.temporary)}
    with subprocess.Popen(
        [COMMANDS / "v6-algorithm", "test", new],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout:
            if line.startswith(moment):
                process.send_signal(number)
        assert process.wait() == 1
    assert left() == NOTHING


@pytest.mark.docker
def test_what_a_killed_trial_left_is_removed_by_the_next(v6_algorithm, new, images, left):
    environment = {**os.environ, "TMPDIR": str(v6_algorithm.temporary)}
    command = [COMMANDS / "v6-algorithm", "test", new]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("Asking"):
                process.kill()
    folders, running, ours = left()
    assert folders
    assert len(running) >= 4
    assert ours
    (new / "Dockerfile").write_text("FROM scratch\nNONSENSE\n")
    assert v6_algorithm("test", new).returncode == 1
    assert left() == NOTHING


@pytest.mark.docker
def test_the_answers_are_those_of_the_mock_and_two_trials_do_not_disturb_each_other(
    v6_algorithm, new, images, left
):
    command = [COMMANDS / "v6-algorithm", "test", new]
    environment = {**os.environ, "TMPDIR": str(v6_algorithm.temporary)}
    pair = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for one in pair:
        said = one.communicate()[0]
        assert one.returncode == 0, said
        assert said.count("as on the mock") == 2
        assert 'mean of all sites, answer of north: {"mean": 128.93' in said
    assert left() == NOTHING
