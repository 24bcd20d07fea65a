"""A large payload needs a few times its own memory in the researcher's process, not more."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from vantage6.client import Client
from vantage6.common import authenticated, capability
from vantage6.common.authenticated import ResultContext
from vantage6.common.client.base import ClientBase
from vantage6.common.encryption import RSACryptor
from vantage6.common.serialization import serialize
from vantage6.common.text import base64s_to_bytes, bytes_to_base64s

SIZE = 24 * 2**20
MOST = 4
PROGRAM = Path(__file__).with_name("memory_client.py")
ENVELOPES = ["none", "classic", "authenticated"]


class Site:
    """A collaboration of one organization, whose node and researcher share a key.

    Attributes
    ----------
    envelope : str
        The one that is used: "none", "classic" or "authenticated".
    """

    def __init__(self, federation, port, envelope, folder):
        root, self.id = federation.root, federation.ids[0]
        self.envelope, self.pins, self.key = envelope, folder / "pins.json", None
        encrypted = envelope != "none"
        study = root.collaboration.create("large", [self.id], encrypted=encrypted)
        self.collaboration, self.port = study["id"], port
        api_key = root.node.create(self.collaboration, self.id)["api_key"]
        self._node = ClientBase("http://127.0.0.1", port)
        self._node.authenticate({"api_key": api_key}, "token/node")
        if encrypted:
            self._set_up_key(root, folder)

    def _set_up_key(self, root, folder):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.key = folder / "key.pem"
        self.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        self.cryptor = RSACryptor(self.key)
        root.organization.update(self.id, public_key=self.cryptor.public_key_str)
        if self.envelope == "authenticated":
            statement = capability.make(key, self.id)
            self._node.send("patch", f"organization/{self.id}", json={"capabilities": statement})

    def client(self):
        client = Client("http://127.0.0.1", self.port, pins_file=self.pins)
        client.authenticate("alpha", "Passw0rd!")
        client.setup_encryption(self.key)
        return client

    def run(self, action, **more):
        """What the process of a researcher needs, and what it tells."""
        options = {
            "action": action,
            "port": self.port,
            "pins": str(self.pins),
            "key": self.key and str(self.key),
            "username": "alpha",
            "password": "Passw0rd!",
            "collaboration": self.collaboration,
            "organizations": [self.id],
            "size": SIZE,
            **more,
        }
        command = [sys.executable, str(PROGRAM), json.dumps(options)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), done.stderr

    def open_input(self, task_id):
        """What the node gets."""
        (run,) = self._node.send("get", "result", params={"task_id": task_id})
        if self.envelope == "none":
            return base64s_to_bytes(run["input"])
        if self.envelope == "classic":
            return self.cryptor.decrypt_str_to_bytes(run["input"])
        key = self.cryptor.private_key
        return authenticated.open_(run["input"], key, key.public_key()).data

    def answer(self, task_id, data):
        """What the node does."""
        (run,) = self._node.send("get", "result", params={"task_id": task_id})
        text = self._sealed(data, run, task_id)
        report = {"status": "completed", "result": text}
        self._node.send("patch", f"result/{run['id']}", json=report)

    def _sealed(self, data, run, task_id):
        if self.envelope == "none":
            return bytes_to_base64s(data)
        if self.envelope == "classic":
            return self.cryptor.encrypt_bytes_to_str(data, self.cryptor.public_key_str)
        asked, key = authenticated.claimed(run["input"]).context, self.cryptor.private_key
        context = ResultContext(
            collaboration_id=asked.collaboration_id,
            image=asked.image,
            sender=self.id,
            recipient=self.id,
            nonce=asked.nonce,
            task_id=task_id,
            result_id=run["id"],
            input_digest=authenticated.digest(run["input"]),
        )
        return authenticated.seal(data, context, key, key.public_key())


@pytest.fixture(params=ENVELOPES)
def site(request, federation, live, tmp_path):
    return Site(federation, live, request.param, tmp_path)


def test_a_large_input_is_sent(site):
    told, said = site.run("send")
    assert told["growth"] <= MOST * SIZE
    assert site.open_input(told["answer"]).count(b"x") >= SIZE
    assert "Sent 33.6 MB in " in said


@pytest.mark.parametrize("action", ["results", "bytes"])
def test_a_large_result_is_fetched_beside_a_large_input(site, action):
    task = site.client().task.create(
        site.collaboration, [site.id], image="algorithm", method="size", args=["x" * SIZE]
    )
    text = "y" * SIZE
    payload = serialize(text)
    site.answer(task["id"], payload)
    told, _ = site.run(action, task=task["id"])
    expected = text.encode() if action == "results" else payload
    assert told["answer"] == hashlib.sha256(expected).hexdigest()
    # The classic way gives the input too, so there are two payloads.
    payloads = 2 if action == "bytes" else 1
    assert told["growth"] <= MOST * SIZE * payloads
