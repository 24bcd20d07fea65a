"""`create-private-key` at a real server that wants a second factor."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pyotp
import pytest
import requests
import yaml

from development.federation import Federation
from development.terminal import spawn
from vantage6.common.encryption import RSACryptor

COMMANDS = Path(sys.executable).parent
_SECONDS = 60
_CODE = "Code of the authenticator app"


@dataclass
class Owner:
    """Somebody with a node, and an account that has a second factor."""

    federation: Federation
    config: Path
    codes: list[str]

    @property
    def variables(self) -> dict[str, str]:
        """The environment of the commands: folders of their own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
        return {**kept, "HOME": str(self.federation.folder / "home"), "TERM": "dumb"}

    @property
    def words(self) -> list[str]:
        """The command."""
        return ["create-private-key", "-c", str(self.config)]

    def run(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run the command without a terminal."""
        return subprocess.run(
            [COMMANDS / "vnode-local", *self.words, *words],
            input=text, env=self.variables, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def upload(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run it as somebody who may upload."""
        who = ["--upload", "--username", "researcher", "--mfa-code", self.codes.pop()]
        return self.run(*who, *words, text=f"{self.federation.password}\n")

    def terminal(self, *words: str) -> "pexpect.spawn[str]":
        """Run the command in a terminal."""
        command, words = COMMANDS / "vnode-local", (*self.words, *words)
        return spawn(command, words, variables=self.variables, seconds=_SECONDS)


@pytest.fixture(scope="module")
def owner(hospitals, tmp_path_factory) -> Iterator[Owner]:
    federation = Federation(tmp_path_factory.mktemp("key") / "f", hospitals[:1], [])
    federation.prepare()
    content = yaml.safe_load(federation.server_config.read_text())
    content["environments"]["dev"]["two_factor_auth"] = True
    federation.server_config.write_text(yaml.safe_dump(content))
    federation.start_server()
    try:
        yield Owner(federation, federation.write_node_config(hospitals[0]), enrol(federation))
    finally:
        federation.stop()


def log_in(federation: Federation, code: str = "") -> dict:
    who = {"username": federation.researcher, "password": federation.password}
    body = who | ({"mfa_code": code} if code else {})
    reply = requests.post(f"{federation.url}/api/token/user", json=body, timeout=_SECONDS)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def enrol(federation: Federation) -> list[str]:
    """Set up the second factor; its recovery codes, each of which is good for one log-in."""
    secret = log_in(federation)["otp_secret"]
    return list(log_in(federation, pyotp.TOTP(secret).now())["recovery_codes"])


def known(owner: Owner) -> str:
    """The public key that the server has of the organization."""
    token = log_in(owner.federation, owner.codes.pop())["access_token"]
    reply = requests.get(
        f"{owner.federation.url}/api/organization",
        headers={"Authorization": f"Bearer {token}"},
        timeout=_SECONDS,
    )
    name = owner.federation.hospitals[0].name
    (found,) = [one for one in reply.json() if one["name"] == name]
    return str(found["public_key"])


def configured(owner: Owner) -> str:
    section = yaml.safe_load(owner.config.read_text())["application"]
    return str(section["encryption"]["private_key"])


def test_another_key_is_not_replaced_unless_told_so(owner: Owner) -> None:
    before, key_before = known(owner), configured(owner)
    done = owner.upload()
    assert done.returncode == 1
    assert "with another public key; nothing was changed" in done.stderr
    assert "--replace-public-key" in done.stderr
    assert (known(owner), configured(owner)) == (before, key_before)


def test_in_a_terminal_with_password_and_code(owner: Owner) -> None:
    terminal = owner.terminal()
    terminal.expect_exact("Leave the public key at the server?")
    terminal.sendline("y")
    terminal.expect_exact("Username")
    terminal.sendline(owner.federation.researcher)
    terminal.expect_exact("Password")
    terminal.sendline(owner.federation.password)
    terminal.expect_exact(_CODE)
    terminal.sendline(owner.codes.pop())
    terminal.expect_exact("with another public key. Replace it")
    terminal.sendline("y")
    terminal.expect_exact("at the server was replaced by that of this key")
    terminal.expect(pexpect.EOF)
    assert terminal.wait() == 0
    assert owner.federation.password not in terminal.before
    path = Path(configured(owner))
    assert path.name == f"privkey_{owner.federation.hospitals[0].name}.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    assert known(owner) == RSACryptor(path).public_key_str


def test_the_key_that_is_there_is_used(owner: Owner) -> None:
    """Runs after the one above made it."""
    done = owner.upload("--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["made"], told["kept"], told["uploaded"]) == (False, None, True)


def test_one_of_another_organization_cannot_be_uploaded(owner: Owner) -> None:
    done = owner.upload("-o", "Other")
    assert done.returncode == 1
    assert "cannot give 'Other' a key" in done.stderr


def test_a_wrong_password_is_one_sentence(owner: Owner) -> None:
    done = owner.run("--upload", "--username", "researcher", "--mfa-code", "1", text="wrong\n")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr


def test_a_new_one_puts_the_old_one_aside(owner: Owner) -> None:
    name = owner.federation.hospitals[0].name
    done = owner.run("--no-upload", "-o", name, "--overwrite", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert RSACryptor(told["kept"]).public_key_str != told["public_key"]
    assert told["uploaded"] is False


def test_nobody_to_ask(owner: Owner) -> None:
    assert "--upload or --no-upload" in owner.run().stderr
    assert "--username NAME" in owner.run("--upload").stderr
