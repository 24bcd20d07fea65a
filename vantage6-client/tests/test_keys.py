"""The keys that a client trusts, as its user sees and confirms them."""

import pytest

from vantage6.client import Client
from vantage6.common.encryption import RSACryptor
from vantage6.common.exceptions import EncryptionError, KeyChanged
from vantage6.common.pins import Pins, fingerprint


@pytest.fixture(scope="module")
def public_keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    for name in "ab":
        RSACryptor.create_new_rsa_key(folder / name)
    return [RSACryptor(folder / name).public_key_str for name in "ab"]


@pytest.fixture
def client(tmp_path):
    return Client("http://127.0.0.1", 1, pins_file=tmp_path / "pins.json")


@pytest.fixture
def pins(client):
    return Pins(client.pins_file, client.base_path, "confirm {}")


def test_a_changed_key_is_seen_and_confirmed(client, pins, public_keys, tmp_path):
    assert client.util.pinned_keys() == []
    pins.trusted_key(7, public_keys[0], "north")
    Pins(tmp_path / "pins.json", "http://elsewhere", "").trusted_key(7, public_keys[1])
    with pytest.raises(KeyChanged):
        pins.trusted_key(7, public_keys[1])
    (shown,) = client.util.pinned_keys()
    assert (shown["organization_id"], shown["name"]) == (7, "north")
    assert (shown["fingerprint"], shown["offered"]) == tuple(map(fingerprint, public_keys))
    with pytest.raises(EncryptionError, match="another fingerprint"):
        client.util.confirm_key(7, fingerprint(public_keys[0]))
    client.util.confirm_key(7, fingerprint(public_keys[1]))
    assert pins.trusted_key(7, public_keys[1]) == public_keys[1]


def test_that_an_organization_went_back_is_accepted(client, pins, public_keys):
    with pytest.raises(EncryptionError, match="No key is pinned"):
        client.util.accept_classic(7)
    pins.trusted_key(7, public_keys[0])
    pins.remember_capabilities(7, "statement")
    client.util.accept_classic(7)
    assert pins.find(7).capabilities == ""
