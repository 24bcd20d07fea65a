"""What a server writes down at its most talkative holds no secret."""

import json
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest
import requests
from clients import bearer
from flask import Flask
from served import API_KEY, COMMAND, LOOPBACK, Served, run, write_config, write_import
from sockets import PATIENCE, Listener, serving

PASSWORD, NEW_PASSWORD = "Lovelace-1", "Babbage-2!"
SECRETS = {
    "password": PASSWORD,
    "wrong password": "Wr0ng-Passw0rd!",
    "password in the field for the name": "Typed-1n-the-wrong-field",
    "new password": NEW_PASSWORD,
    "API key": API_KEY,
    "wrong API key": "00000000-1111-2222-3333-444444444444",
    "secret for tokens": "signed-with-this-and-nothing-else-0123",
    "password of the broker": "hush-broker",
    "password of the mail server": "hush-mail-server",
    "token of a mail": "what-a-mail-held",
    "input": "c2Vuc2l0aXZlIGlucHV0IG9mIGEgdGFzaw==",
    "question": "what-stands-behind-the-path",
}


class Told:
    """A server at DEBUG, and all secrets that it gave away in answers."""

    def __init__(self, server: Served, folder: Path) -> None:
        self.server = server
        self._folder = folder
        self.secrets = dict(SECRETS)

    def send(self, path: str, body: dict[str, Any], token: str = "") -> dict[str, Any]:
        """Ask, and remember what of the answer must stay secret."""
        answer = self.server.post(path, body, headers=bearer(token) if token else {})
        content: dict[str, Any] = answer.json()
        for name in ("access_token", "refresh_token", "container_token", "api_key"):
            if name in content:
                self.secrets[f"{name} of {path}"] = content[name]
        return content

    def written(self) -> dict[str, str]:
        """All that was written, on the console and into files."""
        files = sorted((self._folder / "log").iterdir())
        return {
            "console": "\n".join(self.server.printed),
            **{file.name: file.read_text(encoding="utf-8") for file in files},
        }


def found_in(told: Told) -> list[str]:
    """The secrets that were written down, and where."""
    return [
        f"{what} in {place}"
        for place, text in told.written().items()
        for what, secret in told.secrets.items()
        if secret in text
    ]


@pytest.fixture(params=[False, True], ids=["lines", "json"])
def told(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Told]:
    config = write_config(
        tmp_path,
        jwt_secret_key=SECRETS["secret for tokens"],
        rabbitmq_uri=f"amqp://v6:{SECRETS['password of the broker']}@broker.example:5672/v6",
        # Nobody listens there.
        smtp={"server": LOOPBACK, "port": 1, "password": SECRETS["password of the mail server"]},
        logging={"level": "DEBUG", "file": "server.log", "json": request.param},
    )
    assert run("import", "-c", config, write_import(tmp_path)).returncode == 0
    with Served("--config", config) as server:
        yield Told(server, tmp_path)


def test_no_secret_is_written_down(told: Told) -> None:
    server = told.server
    tokens = told.send("token/user", {"username": "ada", "password": PASSWORD})
    for username, password in (
        ("ada", SECRETS["wrong password"]),
        (SECRETS["password in the field for the name"], "x"),
    ):
        told.send("token/user", {"username": username, "password": password})
    told.send("token/refresh", {}, tokens["refresh_token"])
    told.send("token/node", {"api_key": SECRETS["wrong API key"]})
    node = told.send("token/node", {"api_key": API_KEY})["access_token"]
    root = server.token()
    image = "registry.example/algorithm:1"
    (place,) = server.get("node", headers=bearer(node)).json()
    order = {
        "image": image,
        "collaboration_id": place["collaboration"]["id"],
        "organizations": [{"id": place["organization"]["id"], "input": SECRETS["input"]}],
    }
    task = told.send("task", order, tokens["access_token"])
    told.send("token/container", {"task_id": task["id"], "image": image}, node)
    Listener(server.url, node).close()
    told.send("recover/node", {"id": place["id"]}, root)
    told.send("recover/lost", {"username": "ada"})
    wrong = {"reset_token": SECRETS["token of a mail"], "password": NEW_PASSWORD}
    told.send("recover/reset", wrong)
    server.get("task", headers=bearer("forged.token.here"))
    server.get(f"version?token={SECRETS['question']}")
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    answer = server.patch("password/change", change, headers=bearer(tokens["access_token"]))
    assert answer.status_code == 200
    server.terminate()

    assert found_in(told) == []
    written = told.written()
    assert "POST /api/task" in written["server.log"], "it was not at DEBUG"
    assert "task.create" in written["server.audit.log"]


def test_no_code_is_written_down(tmp_path: Path) -> None:
    logging = {"level": "DEBUG", "file": "server.log"}
    config = write_config(tmp_path, two_factor_auth=True, logging=logging)
    assert run("import", "-c", config, write_import(tmp_path)).returncode == 0
    with Served("--config", config) as server:
        told = Told(server, tmp_path)
        login = {"username": "ada", "password": PASSWORD}
        secret = told.send("token/user", login)["otp_secret"]
        code = pyotp.TOTP(secret).now()
        codes = told.send("token/user", {**login, "mfa_code": code})["recovery_codes"]
        told.send("token/user", {**login, "mfa_code": codes[0]})
        told.secrets |= {"secret of the app": secret, **{f"code {one}": one for one in codes}}
        server.terminate()
    assert found_in(told) == []
    assert "second_factor.recovery_code" in told.written()["server.audit.log"]


def test_every_line_of_json_is_one(tmp_path: Path) -> None:
    config = write_config(tmp_path, logging={"level": "DEBUG", "file": "server.log", "json": True})
    with Served("--config", config) as server:
        server.get("nothing%0aFORGED%20line")
        server.terminate()
    lines = (tmp_path / "log" / "server.log").read_text(encoding="utf-8").splitlines()
    assert any("nothing%0AFORGED" in json.loads(line)["message"] for line in lines)


def test_the_password_of_a_database_that_cannot_be_reached_is_not_shown(tmp_path: Path) -> None:
    uri = "postgresql://v6:hush-database@127.0.0.1:1/v6"
    config = write_config(tmp_path, uri=uri, logging={"level": "DEBUG", "file": "server.log"})
    ended = subprocess.run(
        [COMMAND, "start", "-c", str(config)], capture_output=True, text=True, check=False
    )
    assert ended.returncode != 0
    log = (tmp_path / "log" / "server.log").read_text(encoding="utf-8")
    assert "hush-database" not in ended.stdout + ended.stderr + log


def test_the_log_is_not_for_other_users_of_the_machine(tmp_path: Path) -> None:
    # Small, so that it begins anew.
    logging = {"level": "DEBUG", "file": "server.log", "use_console": False, "max_size": 17}
    with Served("--config", write_config(tmp_path, logging=logging)) as server:
        while not (tmp_path / "log" / "server.log.1").exists():
            assert server.get("version").ok
    files = list((tmp_path / "log").glob("server.log*"))
    assert len(files) > 1
    assert not [path for path in files if path.stat().st_mode & stat.S_IRWXO]


def test_a_stranger_writes_no_line_of_the_log(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    path = "/socket.io/?EIO=4&transport=polling&sid=x%0a2030-01-01%20root%20was%20here"
    with serving(app) as url:
        assert requests.get(f"{url}{path}", timeout=PATIENCE).status_code == 400
    assert not [one for one in caplog.messages if "root was here" in one]
