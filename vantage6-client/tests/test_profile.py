"""A script logs in without a password in it."""

import sys

import pytest

from vantage6.client import Client
from vantage6.client.profile import Profile, profiles_folder
from vantage6.common.exceptions import ConfigurationError

LINES = {"host": "http://server.example", "username": "ada", "password": "s3cret-$HOME"}


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch, tmp_path):
    for name in ("HOST", "PORT", "PATH", "USERNAME", "PASSWORD", "PINS_FILE", "PROXY", "CA_FILE"):
        monkeypatch.delenv(f"VANTAGE6_{name}", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def write(tmp_path):
    """Write a profile that is ours alone."""

    def write(name="profile.yaml", mode=0o600, **lines):
        path = tmp_path / name
        separator, prefix = (": ", "") if path.suffix == ".yaml" else ("=", "VANTAGE6_")
        path.parent.mkdir(parents=True, exist_ok=True)
        keys = {key if not prefix else f"{prefix}{key.upper()}": v for key, v in lines.items()}
        path.write_text("".join(f"{key}{separator}{value}\n" for key, value in keys.items()))
        path.chmod(mode)
        return path

    return write


@pytest.mark.parametrize("name", ["profile.yaml", "study.env", ".env"])
def test_all_that_a_file_says_is_read(write, name, tmp_path):
    write("keys/own.pem")
    profile = Profile.load(write(name, **LINES, port=5000, private_key="keys/own.pem", timeout=5))
    assert (profile.host, profile.username) == ("http://server.example", "ada")
    assert (profile.port, profile.timeout, profile.path) == (5000, 5.0, "/api")
    assert profile.password_or_ask() == "s3cret-$HOME"
    assert profile.private_key == tmp_path / "keys" / "own.pem"


def test_a_name_is_looked_for_where_profiles_are(write):
    write(str(profiles_folder() / "study.yaml"), **LINES)
    assert Profile.load("study").username == "ada"


def test_without_a_name_the_working_folder_and_the_environment_tell(write, monkeypatch):
    write(".env", **LINES)
    monkeypatch.setenv("VANTAGE6_USERNAME", "grace")
    profile = Profile.load()
    assert (profile.username, profile.password) == ("grace", "s3cret-$HOME")


def test_the_password_may_stand_in_a_file_of_its_own(write, tmp_path):
    word = tmp_path / "word"
    word.write_text("s3cret\n")
    word.chmod(0o600)
    profile = Profile.load(write(host="http://h", username="ada", password_file="word"))
    assert profile.password_or_ask() == "s3cret"
    word.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        profile.password_or_ask()


def test_the_password_is_asked_for_in_a_terminal(write, monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("vantage6.client.profile.getpass", lambda text: f"typed after {text}")
    profile = Profile.load(write(host="http://h", username="ada"))
    assert profile.password_or_ask() == "typed after Password of ada at http://h: "


def test_nobody_to_ask_is_an_error_that_says_what_to_do(write):
    profile = Profile.load(write(host="http://h", username="ada"))
    with pytest.raises(ConfigurationError, match="VANTAGE6_PASSWORD"):
        profile.password_or_ask()


def test_a_password_that_others_can_read_is_refused(write):
    with pytest.raises(ConfigurationError, match="chmod 600"):
        Profile.load(write(mode=0o640, **LINES))
    with pytest.raises(ConfigurationError, match="chmod 600"):
        Profile.load(write(mode=0o644, host="http://h", username="ada", proxy="http://a:b@p:1"))
    Profile.load(write(mode=0o644, host="http://h", username="ada", proxy="http://p:1"))


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ({"hots": "x"}, "hots; known are host, port"),
        ({"host": "http://h"}, "no host and username"),
        ({**LINES, "port": "many"}, "port has to be a number"),
        ({**LINES, "password": 123456}, "password has to be text"),
        ({**LINES, "password": "'s3cret"}, "not valid YAML"),
    ],
    ids=["unknown", "missing", "number", "text", "yaml"],
)
def test_what_cannot_be_used_is_said_without_the_password(write, lines, reason):
    with pytest.raises(ConfigurationError, match=reason) as refusal:
        Profile.load(write(**lines))
    assert "s3cret" not in str(refusal.value)


def test_a_profile_that_is_not_there_is_an_error():
    with pytest.raises(ConfigurationError, match=r"client.study\.yaml"):
        Profile.load("study")
    with pytest.raises(ConfigurationError, match="VANTAGE6_USERNAME, and names no host"):
        Profile.load()


def test_a_profile_shows_no_secret(write):
    shown = repr(Profile.load(write(**LINES, proxy="http://me:pr0xy@proxy:3128")))
    assert "ada" in shown
    assert "s3cret" not in shown
    assert "pr0xy" not in shown


def test_a_client_comes_from_it_logged_in(write, federation):
    path = write(host="http://test", username="alpha", password="Passw0rd!")
    client = Client.from_profile(path, session=federation.client("alpha").transport.session)
    assert client.name == "Alpha"
    assert client.cryptor is not None


@pytest.mark.parametrize("key", ["host", "port", "path", "proxy", "ca_file"])
def test_a_file_that_nobody_named_does_not_say_where_our_password_goes(write, monkeypatch, key):
    """Whoever unpacks a folder and works in it does not send their password to its maker."""
    ours = {"host": "http://home", "username": "ada", "password": "s3cret"}
    ours |= {"port": "5000", "path": "/api", "proxy": "http://proxy", "ca_file": "own.pem"}
    for name, value in ours.items():
        if name != key:
            monkeypatch.setenv(f"VANTAGE6_{name.upper()}", value)
    path = write(".env", **{key: "6000" if key == "port" else "http://evil.example"})
    with pytest.raises(ConfigurationError, match=rf"says where it would go \({key}\)") as refusal:
        Profile.load()
    assert "s3cret" not in str(refusal.value)
    assert Profile.load(path).password == "s3cret"


@pytest.mark.parametrize("key", ["password_file", "private_key", "ca_file", "pins_file"])
@pytest.mark.parametrize("way", ["path", "link"])
def test_a_file_that_nobody_named_does_not_send_other_files_away(write, tmp_path, key, way):
    (tmp_path / "home").mkdir()
    secret = tmp_path / "home" / "id_ed25519"
    secret.write_text("the key to all")
    folder = tmp_path / "downloaded"
    folder.mkdir()
    (folder / "word").symlink_to(secret)
    named = secret if way == "path" else "word"
    with pytest.MonkeyPatch.context() as patch:
        write("downloaded/.env", host="http://evil.example", username="ada", **{key: named})
        patch.chdir(folder)
        with pytest.raises(ConfigurationError, match=f"names a {key} outside"):
            Profile.load()


def test_the_private_key_that_a_profile_names_has_to_be_there(write, tmp_path):
    profile = write(**LINES, private_key="nowhere.pem")
    with pytest.raises(ConfigurationError, match=f"names {tmp_path}/nowhere.pem, which is no"):
        Profile.load(profile)


def test_a_host_is_written_with_its_scheme(write):
    profile = write(**LINES | {"host": "server.example"})
    with pytest.raises(ConfigurationError, match="host has to begin with http:// or https://"):
        Profile.load(profile)
