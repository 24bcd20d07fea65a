"""`vnode-local policy` and `vnode-local audit`, without a server or an engine."""

import json

import pytest
import yaml
from click.testing import CliRunner

from vantage6.common.encryption import RSACryptor
from vantage6.node.audit import AuditLog
from vantage6.node.audit.files import CURRENT
from vantage6.node.cli import main

POLICY = {
    "allowed_images": ["average", r"harbor\.example/glm@sha256:" + "a" * 64],
    "algorithm_env": {"SECRET": "not for everybody"},
    "policies": {
        "allowed_organizations": [6, "north"],
        "allowed_methods": ["mean|count"],
        "images": [
            {"image": "average", "limits": {"memory": "2g"}, "run_as": "5:6", "gpu": True},
            {"image": "harbor.*", "writable_root": True, "databases": ["omop"]},
        ],
    },
}


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Run a command on a node with this configuration."""
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "north.yaml"
    config = {
        "api_key": "key",
        "server_url": "http://server.test",
        "port": 443,
        "api_path": "",
        "databases": {"default": "/data.csv", "omop": "postgresql://me:secret@db/omop"},
        "encryption": {"enabled": False},
        "directories": {"data": str(tmp_path / "data"), "log": str(tmp_path / "log")},
    }

    def call(group, command, *arguments, **values):
        path.write_text(yaml.safe_dump({"application": {**config, **POLICY, **values}}))
        return CliRunner().invoke(main, [group, command, "--config", str(path), *arguments])

    return call


AVERAGE = ["--image", "average", "--organization", "6", "--proven", "--method", "mean"]


def explained(call, *arguments, **values):
    result = call("policy", "explain", *arguments, "--json", **values)
    content = json.loads(result.stdout)
    assert result.exit_code == (0 if content["allowed"] else 1)
    return content


def test_what_would_happen_to_a_run_that_is_allowed(call):
    content = explained(call, *AVERAGE)
    assert content["allowed"]
    assert {step["verdict"] for step in content["steps"]} == {"allowed"}
    assert content["exception"] == "average"
    container = content["container"]
    assert (container["memory"], container["user"], container["gpu"]) == ("2g", "5:6", "all")
    assert (container["root"], container["time"]) == ("read-only", "no limit")
    assert "the database 'default', read-only" in container["mounts"]
    assert "minimum_rows: 3" in container["disclosure"]


@pytest.mark.parametrize(
    ("arguments", "subject"),
    [
        (["--image", "other", *AVERAGE[2:]], "image"),
        (["--image", "average", "--organization", "6", "--method", "mean"], "organization"),
        (
            ["--image", "average", "--organization", "7", "--proven", "--method", "m"],
            "organization",
        ),
        ([*AVERAGE[:-1], "drop"], "method"),
        (AVERAGE[:-2], "method"),
        ([*AVERAGE, "--pickle"], "input"),
        (["--image", "harbor.example/glm:1", *AVERAGE[2:]], "image"),
    ],
)
def test_what_would_happen_to_a_run_that_is_not(call, arguments, subject):
    content = explained(call, *arguments)
    wrong = [step for step in content["steps"] if step["verdict"] != "allowed"]
    assert not content["allowed"]
    assert content["reason"] == wrong[0]["reason"]
    assert wrong[0]["subject"] == subject


def test_the_digest_of_a_tag_can_be_given(call):
    image = ["--image", "harbor.example/glm:1", *AVERAGE[2:]]
    content = explained(call, *image, "--digest", "sha256:" + "a" * 64)
    assert content["allowed"]
    assert content["container"]["root"] == "may be written"
    assert "the database 'omop', read-only" in content["container"]["mounts"]


def test_names_and_ids_of_who_asks(call):
    asked = ["--image", "average", "--method", "mean", "--proven"]
    assert explained(call, *asked, "--organization", "north")["allowed"]
    assert explained(call, *asked, "--organization", "north", "--organization", "7")["allowed"]
    # A name that looks like an id is no id.
    names = {"policies": {**POLICY["policies"], "allowed_organizations": ["6"]}}
    assert not explained(call, *asked, "--organization", "6", **names)["allowed"]


def test_people_read_the_reason_and_no_secret(call):
    allowed = call("policy", "explain", *AVERAGE)
    assert allowed.exit_code == 0
    assert "It would run" in allowed.stdout
    assert "2g" in allowed.stdout
    assert "SECRET" in allowed.stdout
    refused = call("policy", "explain", "--image", "other")
    assert refused.exit_code == 1
    assert "It would not run: The owner of this node does not allow the image" in refused.stdout
    assert not any(secret in allowed.stdout for secret in ("not for everybody", "secret@"))


# The audit log


@pytest.fixture
def audit(tmp_path):
    audit = AuditLog(tmp_path / "data")
    for number in range(5):
        audit.append("run started", result_id=number)
    return audit


def test_a_whole_log(call, audit):
    result = call("audit", "verify")
    assert (result.exit_code, str(audit.head) in result.stdout) == (0, True)
    assert call("audit", "verify", "--expect", str(audit.head)).exit_code == 0
    assert json.loads(call("audit", "verify", "--json").stdout)["whole"]


def test_a_log_that_is_not_whole(call, audit, tmp_path):
    path = tmp_path / "data" / CURRENT
    path.write_bytes(path.read_bytes().replace(b'"result_id":2', b'"result_id":7'))
    result = call("audit", "verify", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["faults"] == ["audit.jsonl: line 3 was changed"]
    assert "NOT whole" in call("audit", "verify").stdout


def test_a_log_that_did_not_go_through_a_head(call, audit):
    assert call("audit", "verify", "--expect", "3:" + "a" * 64).exit_code == 1
    assert call("audit", "verify", "--expect", "9:" + "a" * 64).exit_code == 1
    assert "number and hash" in call("audit", "verify", "--expect", "nonsense").output


def test_an_export_can_be_checked_by_whoever_gets_it(call, audit, tmp_path, key):
    file = tmp_path / "export.json"
    RSACryptor.create_new_rsa_key(tmp_path / "data" / "private_key.pem")
    encrypted = {"encryption": {"enabled": True}}
    assert call("audit", "export", "--sign", "--output", str(file), **encrypted).exit_code == 0
    content = json.loads(file.read_text())
    assert len(content["content"]["lines"]) == 5
    result = call("audit", "verify", "--export", str(file))
    assert result.exit_code == 0, result.output
    assert "Signed by" in result.stdout
    content["content"]["lines"].pop()
    file.write_text(json.dumps(content))
    result = call("audit", "verify", "--export", str(file))
    assert (result.exit_code, "not what was signed" in result.output) == (1, True)
    del content["signature"]
    file.write_text(json.dumps(content))
    result = call("audit", "verify", "--export", str(file))
    assert (result.exit_code, "last lines are missing" in result.output) == (1, True)
    file.write_text("[]")
    assert "not an export" in call("audit", "verify", "--export", str(file)).output


def test_an_export_from_a_moment_on(call, audit):
    assert (
        json.loads(call("audit", "export", "--since", "2100-01-01").stdout)["content"]["lines"]
        == []
    )
    recent = json.loads(call("audit", "export", "--since", "2020-01-01T00:00:00").stdout)
    assert len(recent["content"]["lines"]) == 5


def test_nothing_can_be_signed_without_a_key(call, audit):
    assert "no private key" in call("audit", "export", "--sign").output
