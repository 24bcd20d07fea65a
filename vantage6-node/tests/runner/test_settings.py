"""What a container gets, without an engine."""

from pathlib import Path

import pytest

from vantage6.node.databases import Database
from vantage6.node.layout import RunFiles
from vantage6.node.rules import Rules
from vantage6.node.runner.ourselves import host_path
from vantage6.node.runner.settings import Identity, container_settings, own_user

FILES = RunFiles(Path("/n/input"), Path("/n/token"), Path("/n/data"), Path("/n/tmp"))
IDENTITY = Identity("north", "user", "abcd1234")
FILE = Database("default", "/house/patients.csv", Path("/house/patients.csv"))
ADDRESS = Database("omop", "postgresql://db/omop", None)


@pytest.fixture
def make(assignment):
    def make(*databases, user=None, **extra):
        rules = Rules(environment=extra)
        return container_settings(assignment(), IDENTITY, FILES, databases or (FILE,), rules, user)

    return make


def test_documented_variables(make):
    folder = "/mnt/data/task-000000001"
    documented = {
        "INPUT_FILE": f"{folder}/input",
        "OUTPUT_FILE": f"{folder}/output",
        "TOKEN_FILE": f"{folder}/token",
        "TEMPORARY_FOLDER": "/mnt/tmp",
        "HOST": "http://proxyserver",
        "PORT": "80",
        "API_PATH": "",
        "DATABASE_URI": "/mnt/data/patients.csv",
        "DEFAULT_DATABASE_URI": "/mnt/data/patients.csv",
    }
    later = {"USER_REQUESTED_DATABASE_LABEL": "default", "DB_LABELS": "default"}
    assert make().environment == {**documented, **later, "RUN_ID": "5"}


def test_the_variables_of_the_owner_win(make):
    assert make(PORT="1", EXTRA="x").environment["PORT"] == "1"
    assert make(EXTRA="x").environment["EXTRA"] == "x"


def test_only_what_the_run_needs_is_mounted_and_only_its_own_folders_can_be_written(make):
    mounts = {str(m.target): (str(m.source), m.read_only) for m in make().mounts}
    assert mounts == {
        "/mnt/data": ("/n/data", False),
        "/mnt/data/task-000000001/input": ("/n/input", True),
        "/mnt/data/task-000000001/token": ("/n/token", True),
        "/mnt/tmp": ("/n/tmp", False),
        "/mnt/data/patients.csv": ("/house/patients.csv", True),
    }
    assert "/house/patients.csv" not in str(make(ADDRESS).mounts)


def test_labels_and_names_tell_nodes_apart(make):
    assert make().labels == {
        "vantage6-type": "algorithm",
        "node": "north",
        "vantage6-instance": "abcd1234",
        "result_id": "1",
        "task_id": "11",
        "run_id": "5",
    }
    assert IDENTITY.container_name(1) == "vantage6-north-user-result-1-abcd1234"


@pytest.mark.parametrize(
    ("image_user", "uid", "expected"),
    [("", 0, None), ("", 1000, "1000:100"), ("algorithm", 0, None), ("algorithm", 1000, None)],
)
def test_as_whom_a_container_runs(image_user, uid, expected):
    assert own_user(image_user, uid, 100) == expected


MOUNTS = [
    {"Destination": "/mnt/data", "Source": "/var/lib/docker/volumes/v/_data"},
    {"Destination": "/mnt/data/inner", "Source": "/elsewhere"},
    {"Destination": "/mnt/default.csv", "Source": "/home/owner/patients.csv"},
]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/mnt/data/runs/1", "/var/lib/docker/volumes/v/_data/runs/1"),
        ("/mnt/data/inner/x", "/elsewhere/x"),
        ("/mnt/default.csv", "/home/owner/patients.csv"),
    ],
)
def test_where_the_engine_finds_paths_of_a_node_in_a_container(path, expected):
    assert host_path(Path(path), MOUNTS) == Path(expected)


@pytest.mark.parametrize("path", ["/tmp/x", "/mnt/database", "/mnt/default.csv.old"])
def test_a_path_that_the_engine_cannot_find(path):
    with pytest.raises(ValueError, match="not on a volume"):
        host_path(Path(path), MOUNTS)
