"""Nothing secret stands in a log, in what is printed, in a `repr` or in an error."""

import logging
import re
import traceback
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

import pyotp
import pytest
import requests

from vantage6.client import Client
from vantage6.client.profile import Profile
from vantage6.common.encryption import RSACryptor
from vantage6.common.exceptions import (
    AuthenticationException,
    BadRequest,
    ServerError,
    ServerUnreachable,
    Vantage6Error,
)

PASSWORD, WRONG = "Passw0rd!", "n0t-the-Passw0rd!"
PROXY_PASSWORD = "pr0xy-s3cret"


@pytest.fixture
def every_log(caplog):
    """All that any library writes, down to the least."""
    with caplog.at_level(logging.DEBUG):
        yield caplog


@pytest.fixture
def two_factors(federation: Any) -> None:
    federation.app.extensions["second_factors"].required = True


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "private_key.pem"
    RSACryptor.create_new_rsa_key(path)
    return path


def private_lines(key_file) -> list[str]:
    return [line for line in key_file.read_text().splitlines() if not line.startswith("-")]


def shown(error: BaseException) -> str:
    """An error as a notebook shows it, with what it comes from."""
    return repr(error) + "".join(traceback.format_exception(error))


@pytest.mark.usefixtures("two_factors")
def test_a_whole_session_tells_no_secret(live, federation, tmp_path, every_log, capsys):
    errors = []
    with requests.Session() as session:
        client = Client(
            "http://127.0.0.1", live, verbose=True, session=session, pins_file=tmp_path / "pins"
        )
        client.authenticate("alpha", PASSWORD)
        # This one is shown on purpose, once, to be typed or scanned.
        app = pyotp.TOTP(re.findall(r"\b[A-Z2-7]{32}\b", capsys.readouterr().out)[0])
        code = app.now()
        client.authenticate("alpha", PASSWORD, code)
        shown_once = capsys.readouterr().out
        assert "Logged in as alpha" in shown_once
        recovery = re.findall(r"^\w{4}-\w{4}-\w{4}-\w{4}$", shown_once, re.MULTILINE)
        with pytest.raises(AuthenticationException) as refused:
            client.authenticate("alpha", WRONG, code)
        errors.append(refused.value)
        first = client.token, client._refresh_token
        client.refresh_token()
        client.setup_encryption(None)
        task = client.task.create(
            federation.collaboration["id"],
            federation.ids,
            image="i",
            method="m",
            kwargs={"patient": "s3cret-argument"},
        )
        client.task.get(task["id"])
        client.result.list(task=task["id"])
        client.task.create(1, [999], image="i", method="m")
        client.util.change_my_password(WRONG, "An0ther-word!")
        with pytest.raises(TimeoutError) as late:
            client.task.wait(task["id"], timeout=0.2)
        errors.append(late.value)
    secrets = [PASSWORD, WRONG, "An0ther-word!", code, app.secret, "s3cret-argument"]
    secrets += [*recovery, *first, client.token, client._refresh_token]
    said = capsys.readouterr()
    told = every_log.text + said.out + said.err + repr(client) + "".join(map(shown, errors))
    # The server logs in this process, too: what it says is looked through with the rest.
    assert [secret for secret in secrets if secret and secret in told] == []


def test_a_private_key_is_shown_nowhere(key_file, every_log):
    cryptor = RSACryptor(key_file)
    sealed = cryptor.encrypt_bytes_to_str(b"s3cret-payload", cryptor.public_key_str)
    opened = cryptor.decrypt_str_to_bytes(sealed)
    assert opened == b"s3cret-payload"
    told = every_log.text + repr(cryptor) + str(cryptor) + repr(cryptor.private_key)
    for line in [*private_lines(key_file), "s3cret-payload"]:
        assert line not in told


def test_a_key_file_that_is_none_is_refused_without_its_content(tmp_path):
    path = tmp_path / "private_key.pem"
    path.write_text("-----BEGIN RSA PRIVATE KEY-----\ns3cret\n-----END RSA PRIVATE KEY-----\n")
    path.chmod(0o600)
    with pytest.raises(Vantage6Error) as refused:
        RSACryptor(path)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("proxied", [True, False], ids=["proxy", "direct"])
def test_a_connection_that_fails_tells_no_secret(every_log, proxied):
    proxy = f"http://me:{PROXY_PASSWORD}@127.0.0.1:1" if proxied else None
    client = Client("http://127.0.0.1", 1, proxy=proxy)
    with pytest.raises(ServerUnreachable) as lost:
        client.authenticate("alpha", PASSWORD, 123456)
    told = every_log.text + str(lost.value) + repr(lost.value) + repr(client)
    for secret in (PASSWORD, PROXY_PASSWORD, "123456"):
        assert secret not in told


def test_an_error_of_the_server_shows_its_words_only():
    error = ServerError.from_response(400, {"msg": "No", "password": "s3cret"})
    assert isinstance(error, BadRequest)
    assert "s3cret" not in repr(error) + str(error)


def test_a_profile_shows_no_secret():
    profile = Profile(
        host="http://h",
        username="ada",
        password=PASSWORD,
        proxy=f"http://me:{PROXY_PASSWORD}@proxy",
    )
    assert PASSWORD not in repr(profile)
    assert PROXY_PASSWORD not in repr(profile)


@pytest.mark.parametrize("part", ["", ".transport", ".task", ".log", ".cryptor", ".whoami"])
def test_no_part_of_a_client_shows_its_tokens(client, part):
    shown_part = repr(attrgetter(f"client{part}")(SimpleNamespace(client=client)))
    assert client.token not in shown_part
    assert client._refresh_token not in shown_part
