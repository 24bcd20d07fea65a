"""The keys of a server configuration."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from served import write_config

from vantage6.common.config import load_configuration
from vantage6.common.exceptions import ConfigurationError
from vantage6.server.configuration import ServerSchema, has_predictable_secret


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
        ("two_factor_auth", True),
        ("max_list_size", 0),
        ("max_body_size", "large"),
        ("trusted_proxies", -1),
        ("password_policy", 5),
        ("logging", {"level": "LOUD"}),
    ],
)
def test_a_value_that_cannot_be_used_is_named(tmp_path: Path, key: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"environment 'prod': {key}"):
        load(tmp_path, **{key: value})


@pytest.mark.parametrize(
    ("secret", "predictable"),
    [(str(uuid.uuid1()), True), (str(uuid.uuid4()), False), ("a" * 40, False), (None, False)],
)
def test_secrets_of_the_classic_wizard_are_recognised(
    secret: str | None, predictable: bool
) -> None:
    assert has_predictable_secret({"jwt_secret_key": secret}) is predictable


def test_a_password_policy_that_lets_nobody_in_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"password_policy\.max_failed_attempts"):
        load(tmp_path, password_policy={"max_failed_attempts": 0})
    policy = load(tmp_path, password_policy={"max_failed_attempts": 3})["password_policy"]
    assert policy == {"max_failed_attempts": 3}
