"""Keys of other organizations: the first one counts, another one has to be confirmed."""

import json
import stat
import sys
from base64 import b64decode, b64encode
from subprocess import Popen

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from vantage6.common.exceptions import ConfigurationError, EncryptionError, KeyChanged
from vantage6.common.pins import Pins, fingerprint, pinned_keys

SERVER = "https://server.example/api"
WAY_OUT = "confirm {}"


def make_key(size=2048):
    key = rsa.generate_private_key(public_exponent=65537, key_size=size).public_key()
    pem = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return b64encode(pem).decode()


@pytest.fixture(scope="module")
def keys():
    return [make_key() for _ in range(3)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "below" / "pins.json"


@pytest.fixture
def pins(path):
    return Pins(path, SERVER, WAY_OUT)


def test_the_first_key_is_pinned_and_stays(pins, path, keys):
    assert pins.find(7) is None
    assert pins.trusted_key(7, keys[0], "north") == keys[0]
    assert pins.trusted_key(7, keys[0]) == keys[0]
    (pin,) = pinned_keys(path)
    assert (pin.server, pin.organization_id, pin.name, pin.key) == (SERVER, 7, "north", keys[0])
    assert pin.fingerprint == fingerprint(keys[0])


def test_another_key_is_refused_until_it_is_confirmed(pins, path, keys):
    pins.trusted_key(7, keys[0], "north")
    for _ in range(2):
        with pytest.raises(KeyChanged, match=r"'north' \(organization 7\).*confirm 7"):
            pins.trusted_key(7, keys[1])
    assert pins.trusted_key(7, keys[0]) == keys[0]
    assert pins.confirm(7).key == keys[1]
    assert pins.trusted_key(7, keys[1]) == keys[1]
    with pytest.raises(KeyChanged):
        pins.trusted_key(7, keys[0])


def test_the_fingerprint_that_was_told_counts(pins, keys):
    pins.trusted_key(7, keys[0])
    with pytest.raises(KeyChanged):
        pins.trusted_key(7, keys[1])
    with pytest.raises(EncryptionError, match=fingerprint(keys[1])):
        pins.confirm(7, fingerprint(keys[2]))
    told = fingerprint(keys[1]).upper()
    pins.confirm(7, ":".join(told[i : i + 2] for i in range(0, 64, 2)))
    assert pins.trusted_key(7, keys[1]) == keys[1]


def test_there_is_nothing_to_confirm(pins, keys):
    with pytest.raises(EncryptionError, match="No key is pinned of organization 7"):
        pins.confirm(7)
    pins.trusted_key(7, keys[0])
    with pytest.raises(EncryptionError, match="no other key"):
        pins.confirm(7)


def test_the_same_key_in_another_form_is_no_change(pins, keys):
    pins.trusted_key(7, keys[0])
    pem = b64decode(keys[0]).decode()
    respelled = b64encode(pem.replace("\n", "\r\n").encode()).decode()
    assert respelled != keys[0]
    assert pins.trusted_key(7, respelled) == keys[0]


@pytest.mark.parametrize("key", ["", "bm8ga2V5"])
def test_what_is_no_key_is_not_pinned(pins, path, key):
    with pytest.raises(EncryptionError):
        pins.trusted_key(7, key)
    assert not path.exists()


def test_servers_have_nothing_to_do_with_each_other(pins, path, keys):
    pins.trusted_key(7, keys[0])
    other = Pins(path, "https://other.example/api", WAY_OUT)
    assert other.trusted_key(7, keys[1]) == keys[1]
    assert pins.trusted_key(7, keys[0]) == keys[0]


def test_capabilities_are_remembered_until_the_key_changes(pins, path, keys):
    pins.trusted_key(7, keys[0])
    pins.remember_capabilities(7, "statement")
    assert pins.find(7).capabilities == "statement"
    with pytest.raises(KeyChanged):
        pins.trusted_key(7, keys[1])
    assert pins.confirm(7).capabilities == ""
    pins.remember_capabilities(7, "statement")
    pins.forget_capabilities(7)
    assert pins.find(7).capabilities == ""


def test_the_file_is_for_its_owner_alone(pins, path, keys):
    pins.trusted_key(7, keys[0])
    assert {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()} == {0o600}


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"version": 2, "servers": {}}'])
def test_a_damaged_file_is_said_and_kept(pins, path, keys, damage):
    pins.trusted_key(7, keys[0])
    path.write_text(damage)
    for act in (lambda: pins.trusted_key(7, keys[1]), lambda: pinned_keys(path)):
        with pytest.raises(ConfigurationError, match="does not hold pinned keys any more"):
            act()
    assert path.read_text() == damage


@pytest.mark.parametrize(
    "entry", [{"key": ""}, {"key": "AAAA"}, {"kex": "a"}, {"since": 1}, {"name": None}, []]
)
def test_a_damaged_entry_is_said(pins, path, keys, entry):
    pins.trusted_key(7, keys[0])
    content = json.loads(path.read_text())
    content["servers"][SERVER]["7"] = entry and {"key": keys[0], "since": "", **entry}
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigurationError):
        pins.trusted_key(7, keys[0])


def test_several_processes_lose_nothing(path, keys):
    """Each pins keys of its own, all in one file, all at once."""
    program = (
        "import sys; from pathlib import Path; from vantage6.common.pins import Pins\n"
        "path, key, first = sys.argv[1:]; pins = Pins(Path(path), 'server', '{}')\n"
        "for number in range(20): pins.trusted_key(int(first) + number, key)\n"
    )
    arguments = [[str(path), keys[0], str(100 * number)] for number in range(4)]
    started = [Popen([sys.executable, "-c", program, *each]) for each in arguments]
    assert [each.wait() for each in started] == [0] * 4
    assert len(pinned_keys(path)) == 80
