"""The keys of a server configuration."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from marshmallow import Schema, fields
from served import Served, run, write_config

from vantage6.common.config import load_configuration, unknown_keys
from vantage6.common.exceptions import ConfigurationError
from vantage6.server.configuration import ServerSchema, has_predictable_secret
from vantage6.server.store.payloads import Payloads


def load(folder: Path, **differing: Any) -> dict[str, Any]:
    return load_configuration(write_config(folder, **differing), "prod", ServerSchema())


def test_the_documented_configuration_is_fine(tmp_path: Path) -> None:
    config = load(tmp_path)
    assert config["port"] == 0
    assert config["allow_drop_all"] is True


def test_unknown_keys_are_kept(tmp_path: Path) -> None:
    assert load(tmp_path, image="own/server:1")["image"] == "own/server:1"


@pytest.mark.parametrize(("text", "value"), [("False", False), ("True", True)])
def test_the_texts_of_the_classic_wizard_are_read(tmp_path: Path, text: str, value: bool) -> None:
    assert load(tmp_path, allow_drop_all=text)["allow_drop_all"] is value


@pytest.mark.parametrize("path", ["", "/api", "/a/b"])
def test_paths_of_the_api(tmp_path: Path, path: str) -> None:
    assert load(tmp_path, api_path=path)["api_path"] == path


@pytest.mark.parametrize(
    "key", ["description", "ip", "port", "api_path", "uri", "allow_drop_all", "logging"]
)
def test_a_key_that_is_missing_is_named(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, **{key: ...})
    path = tmp_path / "hospital.yaml"
    assert str(refused.value).startswith(f"{path}, environment 'prod': {key}: ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("type", "production"),
        ("port", "http"),
        ("port", 65536),
        ("api_path", "api"),
        ("api_path", "/api/"),
        ("uri", "default.sqlite"),
        ("allow_drop_all", "maybe"),
        ("jwt_secret_key", "short"),
        ("two_factor_auth", "perhaps"),
        ("smtp", {"port": "many"}),
        ("smtp", {"server": "mail.example", "password": "x", "MAIL_USE_TLS": False}),
        ("max_list_size", 0),
        ("max_body_size", "large"),
        ("trusted_proxies", 1),
        ("trusted_proxies", ["proxy.example"]),
        ("trusted_proxies", ["10.1.2.3/16"]),
        ("cors_allowed_origins", "https://portal.example"),
        ("cors_allowed_origins", ["*"]),
        ("cors_allowed_origins", ["https://portal.example/"]),
        ("stop_timeout", -1),
        ("password_policy", 5),
        ("rabbitmq_uri", "amqp://broker.example/vhost"),
        ("rabbitmq_uri", "amqp://user:hush@broker.example:port/vhost"),
        ("vpn_server", "https://vpn.example"),
        ("metrics", "yes"),
        ("metrics", {"port": -1}),
        ("logging", {"level": "LOUD"}),
        ("logging", {"level": "INFO", "backup_count": 0}),
        ("logging", {"level": "INFO", "max_size": 16}),
    ],
)
def test_a_value_that_cannot_be_used_is_named(tmp_path: Path, key: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"environment 'prod': {key}") as refused:
        load(tmp_path, **{key: value})
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("secret", "predictable"),
    [(str(uuid.uuid1()), True), (str(uuid.uuid4()), False), ("a" * 40, False), (None, False)],
    # Those that run beside each other must agree on the names of the tests.
    ids=["uuid1", "uuid4", "long", "none"],
)
def test_secrets_of_the_classic_wizard_are_recognised(
    secret: str | None, predictable: bool
) -> None:
    assert has_predictable_secret({"jwt_secret_key": secret}) is predictable


def test_a_password_policy_that_lets_nobody_in_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"password_policy\.max_failed_attempts"):
        load(tmp_path, password_policy={"max_failed_attempts": 0})
    policy = load(tmp_path, password_policy={"max_failed_attempts": 3})["password_policy"]
    assert policy["max_failed_attempts"] == 3


# Section 2 of the documentation of the classic server: each key, with a value for it.
DOCUMENTED = {
    "description": "text",
    "type": "acc",
    "ip": "127.0.0.1",
    "port": 5000,
    "api_path": "/api",
    "uri": "sqlite:///default.sqlite",
    "allow_drop_all": False,
    "jwt_secret_key": "0123456789abcdef0123456789abcdef",
    "logging": {
        "level": "DEBUG",
        "file": "server.log",
        "use_console": True,
        "backup_count": 5,
        "max_size": 1024,
        "format": "%(message)s",
        "datefmt": "%H:%M",
    },
    "directories": {"log": "/log", "data": "/data"},
    "password_policy": {"max_failed_attempts": 3, "inactivation_minutes": 5},
    "two_factor_auth": False,
    "rabbitmq_uri": "amqp://user:secret@broker.example:5672/vhost",
    "vpn_server": {
        "url": "https://vpn.example",
        "redirect_url": "http://localhost",
        "client_id": "id",
        "client_secret": "secret",
        "portal_username": "user",
        "portal_userpass": "secret",
    },
    "image": "harbor2.vantage6.ai/infrastructure/server:petronas",
}


def test_every_documented_key_is_known_and_keeps_its_value() -> None:
    loaded = ServerSchema().load(DOCUMENTED)
    for key, value in DOCUMENTED.items():
        if isinstance(value, dict):
            assert loaded[key].items() >= value.items()
        else:
            assert loaded[key] == value
    assert unknown_keys(loaded, ServerSchema()) == {}


def test_the_documented_defaults() -> None:
    required = {"description", "ip", "port", "api_path", "uri", "allow_drop_all", "logging"}
    loaded = ServerSchema().load({key: DOCUMENTED[key] for key in required})
    policy = loaded["password_policy"]
    assert (policy["max_failed_attempts"], policy["inactivation_minutes"]) == (5, 15)
    assert loaded["two_factor_auth"] is False
    assert loaded["type"] is loaded["jwt_secret_key"] is None
    assert loaded["directories"] == {"log": None, "data": None}
    for key in required:
        without = {name: DOCUMENTED[name] for name in required - {key}}
        assert list(ServerSchema().validate(without)) == [key]


def test_metrics_can_be_switched_on_and_off() -> None:
    def metrics(value: Any) -> Any:
        return ServerSchema().load({**DOCUMENTED, "metrics": value})["metrics"]

    assert metrics(True) == metrics({}) == {"ip": "127.0.0.1", "port": 9464}
    assert metrics(False) is metrics(None) is None


def test_every_key_says_what_it_means() -> None:
    def undescribed(schema: Schema) -> list[str]:
        nested = [one.schema for one in schema.fields.values() if isinstance(one, fields.Nested)]
        return [
            *(name for name, one in schema.fields.items() if not one.metadata.get("description")),
            *(name for inner in nested for name in undescribed(inner)),
        ]

    assert undescribed(ServerSchema()) == []


def test_keys_that_do_nothing_are_told_of_at_the_start(tmp_path: Path) -> None:
    config = write_config(
        tmp_path,
        two_factor_auht=True,
        password_policy={"inactivation_minute": 5},
        colour="blue",
        vpn_server={"url": "https://vpn.example", "client_secret": "hush"},
    )
    with Served("-c", config) as server:
        assert server.url
        told = "\n".join(line for line in server.printed if "WARNING" in line)
    assert "two_factor_auht; did you mean two_factor_auth?" in told
    assert "inactivation_minute; did you mean password_policy.inactivation_minutes?" in told
    assert "colour" in told
    assert "vpn_server, which has no effect here" in told
    assert "hush" not in told


def test_the_environment_names_the_server_of_a_file(tmp_path: Path) -> None:
    config = write_config(tmp_path, logging={"level": "INFO"}, directories=...)
    ended = run("files", "-c", config, "--json", "--user", VANTAGE6_CONFIG_NAME="clinic")
    shown = json.loads(ended.stdout)
    assert Path(shown["data"]).name == "clinic"
    assert Path(shown["log"]).name == "clinic-prod-user.log"
    ended = run("files", "-c", config, "--json", "--user", VANTAGE6_CONFIG_NAME="../clinic")
    assert ended.returncode == 1


@pytest.mark.parametrize(
    ("payloads", "message"),
    [
        ({"largest": 100, "unused_limit": 99}, "payloads.unused_limit: Must be at least `largest`"),
        ({"unused_limit": 0}, "payloads.unused_limit"),
    ],
)
def test_the_largest_payload_must_fit_into_what_nothing_uses(
    tmp_path: Path, payloads: dict[str, int], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load(tmp_path, payloads=payloads)


@pytest.mark.parametrize(
    ("payloads", "expected"),
    [({"largest": 300}, 600), ({"largest": 300, "unused_limit": 300}, 300)],
    ids=["twice the largest", "as configured"],
)
def test_what_nothing_uses_has_a_bound(
    tmp_path: Path, payloads: dict[str, int], expected: int
) -> None:
    block = load(tmp_path, payloads=payloads)["payloads"]
    assert Payloads(block, tmp_path).unused_limit == expected
