"""The commands, but for `start` with a real engine, which the end-to-end tests run."""

import json
import sys
from types import SimpleNamespace

import pytest
import yaml
from click.testing import CliRunner

from vantage6.common import __version__
from vantage6.common.exceptions import ConfigurationError
from vantage6.node import assembly
from vantage6.node.cli import main
from vantage6.node.configuration import NodeSchema

ANSWERS = [
    "new", "--name", "north hospital", "--environment", "prod", "--api-key", "key",
    "--server-url", "http://server.test", "--port", "443", "--api-path", "",
    "--task-dir", "/srv/tasks", "--database", "default=/data.csv",
    "--database", "omop=postgresql://db/omop", "--allow-image", "average",
    "--log-level", "DEBUG", "--vpn-subnet", "", "--private-key", "/key.pem", "--yes",
]  # fmt: skip

GIVEN = [
    "api_key", "server_url", "port", "api_path", "task_dir", "log_level", "vpn_subnet",
    "encryption", "private_key",
]  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments):
    return CliRunner().invoke(main, arguments)


def fails(*arguments):
    result = call(*arguments)
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    return result.output


def test_version():
    assert call("version").output.strip() == __version__


def test_new_without_questions(home):
    result = call(*ANSWERS, "--json")
    assert result.exit_code == 0, result.output
    path = home / ".config/vantage6/node/north-hospital.yaml"
    assert json.loads(result.output)["path"] == str(path)
    assert path.stat().st_mode & 0o777 == 0o600
    written = yaml.safe_load(path.read_text())["environments"]["prod"]
    config = NodeSchema().load(written)
    assert config["databases"] == {"default": "/data.csv", "omop": "postgresql://db/omop"}
    assert config["encryption"] == {"enabled": True, "private_key": "/key.pem", "envelope": "both"}
    assert config["allowed_images"] == ["average"]
    assert "vpn_subnet" not in config


def test_new_says_how_to_start():
    assert "vnode-local start --name north-hospital --environment prod" in call(*ANSWERS).output


def test_new_keeps_what_is_there():
    call(*ANSWERS)
    assert "already" in fails(*ANSWERS)


def test_new_without_anybody_to_ask():
    assert "--yes" in fails("new", "--name", "x")


@pytest.mark.parametrize("option", [["--name", "a/b"], ["--database", "nonsense"]])
def test_new_with_bad_answers(option):
    assert call("new", "--name", "x", "--yes", *option).exit_code != 0


def test_new_with_questions(home, monkeypatch):
    """The wizard asks in the documented order; a bare return takes the default."""
    import questionary

    asked = []

    def answering(kind):
        def ask(question, default=None, **_):
            asked.append(question)
            answers = {"Name": "north", "Path of the default": "/data.csv", "Path of the pri": "k"}
            given = next((a for start, a in answers.items() if question.startswith(start)), default)
            return SimpleNamespace(ask=lambda: given)

        return ask

    for kind in ("text", "select", "confirm"):
        monkeypatch.setattr(questionary, kind, answering(kind))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    main.commands["new"].callback(
        system_folders=False,
        name=None,
        environment=None,
        databases=(),
        images=(),
        yes=False,
        as_json=False,
        **dict.fromkeys(GIVEN),
    )
    order = ["API key", "Base URL", "Port", "Path of the API", "Folder", "default database", "VPN"]
    positions = [next(i for i, q in enumerate(asked) if word in q) for word in order]
    assert positions == sorted(positions)
    written = yaml.safe_load((home / ".config/vantage6/node/north.yaml").read_text())
    assert written["application"]["encryption"] == {"enabled": True, "private_key": "k"}


def test_list(home):
    call(*ANSWERS)
    (home / ".config/vantage6/node/broken.yaml").write_text("{")
    assert "north-hospital" in call("list").output
    found = {entry["name"]: entry for entry in json.loads(call("list", "--json").output)}
    assert found["north-hospital"]["environments"] == ["prod"]
    assert "broken.yaml" in found["broken"]["fault"]


def test_files(home):
    call(*ANSWERS)
    options = ["--name", "north-hospital", "--environment", "prod"]
    shown = json.loads(call("files", *options, "--json").output)
    assert shown["data_folder"] == str(home / ".local/share/vantage6/node/north-hospital")
    assert shown["databases"]["default"] == "/data.csv"
    assert "/data.csv" in call("files", *options).output


@pytest.mark.parametrize("command", ["files", "start"])
def test_a_configuration_that_is_not_there(command):
    assert "no node configuration 'nobody'" in fails(command, "--name", "nobody")


def test_a_configuration_that_lacks_something(home):
    (home / "bad.yaml").write_text("application: {api_key: x}")
    assert "server_url" in fails("start", "--config", "bad.yaml")


def test_start_without_the_key_file(home):
    call(*ANSWERS)
    output = fails("start", "--name", "north-hospital", "--environment", "prod")
    assert "/key.pem" in output


@pytest.mark.parametrize("option", ["take_over", "replace_public_key"])
def test_what_is_for_one_start_is_not_done_again(home, monkeypatch, option):
    """The engine starts a container that is kept with the same command again and again."""
    wanted = []

    def build(*_, **options):
        wanted.append(options[option])
        raise ConfigurationError("enough")

    monkeypatch.setattr(assembly, "build", build)
    call(*ANSWERS)
    (home / "once").touch()
    words = ["start", "--name", "north-hospital", "--environment", "prod"]
    words.append(f"--{option.replace('_', '-')}")
    for further in (["--only-once", "once"], ["--only-once", "once"], []):
        assert "enough" in fails(*words, *further)
    assert wanted == [True, False, True]
    assert not (home / "once").exists()
