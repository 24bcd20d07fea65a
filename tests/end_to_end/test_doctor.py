"""`vnode-local doctor` beside a real federation: all well, and one fault after the other."""

import json
import os
import subprocess
from contextlib import closing

import pytest
import yaml
from click.testing import CliRunner

from development.engine import ensure_engine
from development.federation import COMMANDS
from development.ports import free_port
from vantage6.common.encryption import RSACryptor
from vantage6.node.cli import main

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def config(federation):
    """The configuration of a node that runs."""
    path = federation.write_node_config(federation.hospitals[0])
    return yaml.safe_load(path.read_text())["application"]


@pytest.fixture
def write(config, tmp_path):
    """Write the configuration of a node that differs; the path of the file."""

    def write(**changes):
        file = tmp_path / "node.yaml"
        file.write_text(yaml.safe_dump({"application": {**config, **changes}}))
        file.chmod(0o600)
        return str(file)

    return write


@pytest.fixture
def doctor(write):
    """Examine a node whose configuration differs; the exit code and the findings."""

    def doctor(**changes):
        command = ["doctor", "--config", write(**changes), "--json"]
        done = CliRunner().invoke(main, command, catch_exceptions=False)
        return done.exit_code, json.loads(done.stdout)

    return doctor


def faults(findings):
    return {finding["subject"] for finding in findings if finding["verdict"] == "wrong"}


def test_a_node_that_runs_is_well(doctor):
    code, findings = doctor()
    assert (code, faults(findings)) == (0, set())
    subjects = {finding["subject"] for finding in findings}
    assert subjects >= {
        "configuration",
        "policy",
        "disclosure",
        "data folder",
        "disk",
        "engine",
        "images",
        "database default",
        "private key",
        "server",
        "clock",
        "API key",
        "encryption",
    }
    assert {"subject": "node", "verdict": "note", "text": "It is running", "remedy": ""} in findings


@pytest.mark.parametrize(
    ("subject", "changes", "said"),
    [
        ("API key", {"api_key": "wrong"}, "does not accept the API key"),
        ("policy", {"allowed_images": []}, "No image is allowed"),
        ("database default", {"databases": {"default": "/nowhere.csv"}}, "is not there"),
        ("database sql", {"databases": {"sql": "postgresql://127.0.0.1:9/x"}}, "does not answer"),
        ("database odd", {"databases": {"odd": "odd://host"}}, "no port is known"),
        ("encryption", {"encryption": {"enabled": False}}, "has its encryption off"),
        ("private key", {"encryption": {"enabled": True, "private_key": "/no.pem"}}, "/no.pem"),
        ("images", {"images": {"relay": "nobody/has:this"}}, "nobody/has:this"),
        ("data folder", {"directories": {"data": "/proc/1/data", "log": "/tmp"}}, "/proc/1/data"),
        ("disk", {"keep_free": "1000t"}, "too little"),
        ("server", {"api_path": "/nowhere"}, "is not a server of vantage6"),
        ("server", {"connection": {"ca_file": "/no.pem"}}, "/no.pem"),
        (
            "server",
            {"connection": {"ca_file": "/no.pem"}, "server_url": "http://host.docker.internal"},
            "/no.pem",
        ),
        ("signatures", {"required_signatures": ["/no.pem"]}, "/no.pem"),
        ("service x", {"docker_services": {"x": "v6-nobody-is-called-so"}}, "no container"),
        ("destination", {"allowed_destinations": ["no.example.invalid:9"]}, "not known"),
        ("destination", {"allowed_destinations": ["127.0.0.1:9"]}, "Connection refused"),
        (
            "registry",
            {
                "docker_registries": [
                    {"registry": "127.0.0.1:9", "username": "a", "password": "hush"}
                ]
            },
            "127.0.0.1:9: the engine could not log in",
        ),
    ],
)
def test_what_is_wrong_is_found_and_how_to_mend_it(doctor, subject, changes, said):
    code, findings = doctor(**changes)
    assert code == 1
    (fault,) = [one for one in findings if (one["subject"], one["verdict"]) == (subject, "wrong")]
    assert said in fault["text"]
    assert fault["remedy"]
    assert "hush" not in json.dumps(findings)


def test_a_server_that_does_not_answer_is_one_fault(doctor):
    code, findings = doctor(port=free_port())
    assert (code, faults(findings)) == (1, {"server"})


def test_a_name_that_only_containers_know_is_no_fault(doctor):
    code, findings = doctor(server_url="http://host.docker.internal")
    assert (code, faults(findings)) == (0, set())
    assert "API key" not in {finding["subject"] for finding in findings}


def test_a_database_in_a_container_of_the_house_is_looked_for_there(doctor):
    _, findings = doctor(
        databases={"default": "postgresql://reader@omop:5432/omop"},
        docker_services={"omop": "v6-nobody-is-called-so:5432"},
    )
    assert faults(findings) == {"service omop"}


def test_an_engine_that_leaves_a_way_to_the_hypervisor_is_a_note(doctor):
    with closing(ensure_engine()) as engine:
        version = engine.version()["Version"]
    code, findings = doctor()
    told = [one["verdict"] for one in findings if "AF_VSOCK" in one["text"]]
    assert (code, told) == (0, ["note"] if int(version.split(".")[0]) < 23 else [])


def test_an_engine_that_is_not_there_does_not_hide_the_rest(write):
    # Not in this process: the library of the engine leaves a socket open when there is none.
    done = subprocess.run(
        [COMMANDS / "vnode-local", "doctor", "--config", write()],
        capture_output=True,
        text=True,
        env={**os.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock"},
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "No container engine answers" in done.stdout
    assert "The server knows us as" in done.stdout
    assert done.stdout.endswith("1 thing is wrong\n")


def test_a_key_of_somebody_else(doctor, tmp_path):
    RSACryptor.create_new_rsa_key(tmp_path / "other.pem")
    code, findings = doctor(
        encryption={"enabled": True, "private_key": str(tmp_path / "other.pem")}
    )
    assert (code, faults(findings)) == (1, {"encryption"})
