"""`vnode-local keys`: what is trusted, and how that changes."""

import json

import pytest
import yaml
from click.testing import CliRunner

from vantage6.common.encryption import RSACryptor
from vantage6.common.exceptions import KeyChanged
from vantage6.common.pins import Pins, fingerprint
from vantage6.node.audit.check import check_folder
from vantage6.node.cli import main

SERVER = "http://server.test/api"


@pytest.fixture(scope="module")
def public_keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    for name in "ab":
        RSACryptor.create_new_rsa_key(folder / name)
    return [RSACryptor(folder / name).public_key_str for name in "ab"]


@pytest.fixture
def pins(tmp_path):
    return Pins(tmp_path / "data" / "pins.json", SERVER, "confirm {}")


@pytest.fixture
def keys(tmp_path):
    config = {
        "api_key": "key",
        "server_url": "http://server.test",
        "port": None,
        "api_path": "/api",
        "databases": {},
        "encryption": {"enabled": True},
        "directories": {"data": str(tmp_path / "data"), "log": str(tmp_path / "log")},
    }
    path = tmp_path / "node.yaml"
    path.write_text(yaml.safe_dump({"application": config}))
    path.chmod(0o600)

    def run(command, *arguments):
        return CliRunner().invoke(main, ["keys", command, *arguments, "--config", str(path)])

    return run


@pytest.fixture
def changed(pins, public_keys):
    """Another key than the pinned one was shown."""
    pins.trusted_key(7, public_keys[0], "north")
    with pytest.raises(KeyChanged):
        pins.trusted_key(7, public_keys[1])


def test_nothing_is_pinned_yet(keys):
    assert "No keys are pinned yet" in keys("list").output
    assert json.loads(keys("list", "--json").output) == []


def test_what_is_pinned_and_what_waits(keys, changed, public_keys):
    (shown,) = json.loads(keys("list", "--json").output)
    old, new = map(fingerprint, public_keys)
    assert (shown["organization_id"], shown["name"], shown["server"]) == (7, "north", SERVER)
    assert (shown["fingerprint"], shown["offered"]) == (old, new)
    text = keys("list").output
    assert old in text
    assert new in text
    assert "vnode-local keys confirm 7" in text


def test_a_key_is_confirmed_and_that_is_written_down(keys, changed, pins, public_keys, tmp_path):
    result = keys("confirm", "7", "--fingerprint", fingerprint(public_keys[1]), "--json")
    assert json.loads(result.output)["fingerprint"] == fingerprint(public_keys[1])
    assert pins.trusted_key(7, public_keys[1]) == public_keys[1]
    log = (tmp_path / "data" / "audit.jsonl").read_text()
    assert "key confirmed" in log
    assert fingerprint(public_keys[0]) in log
    assert check_folder(tmp_path / "data").is_whole


def test_a_key_that_the_organization_does_not_know_is_not_confirmed(
    keys, changed, public_keys, tmp_path
):
    result = keys("confirm", "7", "--fingerprint", fingerprint(public_keys[0]))
    assert result.exit_code == 1
    assert "another fingerprint" in result.output
    assert not (tmp_path / "data" / "audit.jsonl").exists()


def test_there_is_nothing_to_confirm(keys, pins, public_keys):
    assert "No key is pinned of organization 7" in keys("confirm", "7").output
    pins.trusted_key(7, public_keys[0])
    assert "no other key" in keys("confirm", "7").output
    assert "not said" in keys("confirm", "7", "--classic").output


def test_that_an_organization_went_back_is_accepted(keys, pins, public_keys):
    pins.trusted_key(7, public_keys[0])
    pins.remember_capabilities(7, "statement")
    assert keys("confirm", "7", "--classic").exit_code == 0
    assert pins.find(7).capabilities == ""


def test_of_several_servers_one_has_to_be_named(keys, pins, public_keys, tmp_path):
    other = Pins(tmp_path / "data" / "pins.json", "http://other.test/api", "")
    for each in (pins, other):
        each.trusted_key(7, public_keys[0])
        with pytest.raises(KeyChanged):
            each.trusted_key(7, public_keys[1])
    assert "--server" in keys("confirm", "7").output
    assert keys("confirm", "7", "--server", SERVER).exit_code == 0
    assert other.find(7).offered == public_keys[1]


def test_a_damaged_file_is_said(keys, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pins.json").write_text("{")
    result = keys("list")
    assert result.exit_code == 1
    assert "does not hold pinned keys any more" in result.output
