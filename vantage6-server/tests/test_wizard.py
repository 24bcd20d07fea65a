"""New configurations, from answers."""

import stat
from pathlib import Path
from typing import Any

import pytest

from vantage6.common.config import load_configuration
from vantage6.common.exceptions import ConfigurationError
from vantage6.server.configuration import MINIMUM_SECRET_LENGTH, ServerSchema
from vantage6.server.wizard import QUESTIONS, create_configuration


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "vantage6" / "server"


def create(name: str = "hospital", environment: str = "prod", **answers: Any) -> dict[str, Any]:
    path = create_configuration(name, environment, False, answers)
    return load_configuration(path, environment, ServerSchema())


def test_what_is_not_answered_is_as_offered(home: Path) -> None:
    config = create()
    offered = {
        question.key: question.default
        for question in QUESTIONS
        if question.key not in ("jwt_secret", "log_level", "vpn", "rabbitmq")
        and not question.only_if
    }
    assert offered.items() <= config.items()
    assert config["logging"]["level"] == "INFO"
    assert config["logging"]["file"] == "hospital.log"
    assert config["jwt_secret_key"] is None


def test_answers_count(home: Path) -> None:
    config = create(port=7601, type="dev", log_level="DEBUG", allow_drop_all=True)
    assert config["port"] == 7601
    assert config["type"] == "dev"
    assert config["logging"]["level"] == "DEBUG"
    assert config["allow_drop_all"] is True


def test_what_is_said_about_a_thing_implies_it(home: Path) -> None:
    uri = "amqp://user:hush@broker.example:5672/v6"
    config = create(rabbitmq_uri=uri, vpn_url="https://vpn.example", vpn_client_id="v6")
    assert config["rabbitmq_uri"] == uri
    assert config["vpn_server"] == {
        "url": "https://vpn.example",
        "portal_username": "",
        "portal_userpass": "",
        "client_id": "v6",
        "client_secret": "",
        "redirect_url": "http://localhost",
    }


def test_what_there_is_not_is_not_written(home: Path) -> None:
    config = create()
    assert "vpn_server" not in config
    assert "rabbitmq_uri" not in config


def test_a_secret_is_random_and_the_file_closed(home: Path) -> None:
    first, second = create("first", jwt_secret=True), create("second", jwt_secret=True)
    assert len(first["jwt_secret_key"]) >= MINIMUM_SECRET_LENGTH
    assert first["jwt_secret_key"] != second["jwt_secret_key"]
    assert stat.S_IMODE((home / "first.yaml").stat().st_mode) == 0o600


def test_spaces_become_hyphens(home: Path) -> None:
    create("our new server")
    assert (home / "our-new-server.yaml").exists()


def test_a_second_environment_joins_the_first(home: Path) -> None:
    create(environment="prod", port=1)
    create(environment="dev", port=2)
    assert load_configuration(home / "hospital.yaml", "prod", ServerSchema())["port"] == 1


def test_an_environment_is_not_overwritten(home: Path) -> None:
    create()
    with pytest.raises(ConfigurationError, match="already has an environment 'prod'"):
        create()


@pytest.mark.parametrize("name", ["", "a/b", "naïve"])
def test_names_that_cannot_be(home: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the name"):
        create(name)


def test_answers_that_cannot_be(home: Path) -> None:
    with pytest.raises(ConfigurationError, match="port"):
        create(port=65536)
    assert not home.exists()
