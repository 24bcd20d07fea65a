"""Configuration files and the places of an instance."""

import stat

import pytest
from marshmallow import fields

from vantage6.common import context
from vantage6.common.config import (
    InstanceSchema,
    change_configuration,
    list_environments,
    load_configuration,
    save_configuration,
    unknown_keys,
)
from vantage6.common.context import InstanceContext, available, check_write_permissions
from vantage6.common.exceptions import ConfigurationError


class SomeSchema(InstanceSchema):
    port = fields.Integer(required=True)


SCHEMA = SomeSchema()


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "iris.yaml"
    save_configuration(path, "prod", {"port": "5000", "extra": 1})
    return path


def test_what_is_saved_is_loaded_with_its_defaults(config_file):
    config = load_configuration(config_file, "prod", SCHEMA)
    assert (config["port"], config["extra"]) == (5000, 1)
    assert config["logging"]["backup_count"] == 5


def test_saving_keeps_other_environments_and_other_peoples_eyes_out(config_file):
    save_configuration(config_file, "application", {"port": 1})
    assert list_environments(config_file) == ["application", "prod"]
    assert stat.S_IMODE(config_file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("application: {port: abc}", ["application", "port", "integer"]),
        ("application: {logging: {level: LOUD}}", ["port", "logging.level"]),
        ("application: {}", ["no environment 'application'"]),
        ("application: {port: 1", ["not valid YAML"]),
        ("[1, 2]", ["no sections"]),
        ("environments: 3", ["must hold sections"]),
        ("{application: {port: 1}, logging: {}}", ["nobody reads logging there", "application"]),
        ("{application: {port: 1}, environments: {port: 2}}", ["nobody reads port there"]),
    ],
)
def test_a_bad_file_gets_one_sentence(tmp_path, text, words):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(path, "application", SCHEMA)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert all(word in message for word in words)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml"):
        load_configuration(tmp_path / "nowhere.yaml", "prod", SCHEMA)


def test_folders_can_be_chosen(tmp_path):
    path = tmp_path / "iris.yaml"
    own = {"data": str(tmp_path / "data"), "log": str(tmp_path / "log")}
    save_configuration(path, "prod", {"port": 1, "directories": own})
    context = InstanceContext.from_file("node", path, "prod", False, SCHEMA)
    assert context.data_dir == tmp_path / "data"
    assert context.log_file == tmp_path / "log" / "iris-prod-user.log"


def test_documented_folders(tmp_path, monkeypatch, config_file):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / ".config/vantage6/server"
    home.mkdir(parents=True)
    (home / "iris.yaml").write_text(config_file.read_text())
    (home / "broken.yaml").write_text("{")
    context = InstanceContext.find("server", "iris", "prod", False, SCHEMA)
    assert context.config_file == home / "iris.yaml"
    assert context.data_dir == tmp_path / ".local/share/vantage6/server/iris"
    assert context.log_dir == tmp_path / ".cache/vantage6/log/server"
    found = {item.name: item for item in available("server", False)}
    assert found["iris"].environments == ["prod"]
    assert "not valid YAML" in found["broken"].fault


def test_a_name_that_is_nowhere_says_where_it_was_sought(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"neither .*ghost.* nor .*ghost"):
        InstanceContext.find("node", "ghost", "application", False, SCHEMA)
    with pytest.raises(ConfigurationError, match="cannot be the name"):
        InstanceContext.find("node", "../etc/x", "application", False, SCHEMA)


def test_a_folder_that_is_not_there_yet_can_be_made(tmp_path):
    assert check_write_permissions(tmp_path / "a" / "b")
    assert not check_write_permissions("/dev/null/here")


class _Keys(InstanceSchema):
    two_factor_auth = fields.Boolean()


@pytest.mark.parametrize(
    ("config", "unknown"),
    [
        ({"two_factor_auth": True, "logging": {"level": "INFO"}}, {}),
        ({"two_factor_auht": True}, {"two_factor_auht": "two_factor_auth"}),
        ({"colour": "blue"}, {"colour": None}),
        ({"logging": {"levle": "INFO"}}, {"logging.levle": "logging.level"}),
        ({"logging": {"zzz": 1}}, {"logging.zzz": None}),
        ({5: "five", "logging": None}, {"5": None}),
    ],
)
def test_unknown_keys_are_found_with_the_known_one_that_is_like_them(config, unknown):
    assert unknown_keys(config, _Keys()) == unknown


class TestChange:
    TEXT = """\
# what the administrator gave us
application:
  api_key: old  # ask Ada for another
  encryption: {enabled: true, private_key: 'a.pem'}
environments:
  dev:
    api_key: dev
"""

    def test_one_text_changes_and_nothing_else(self, tmp_path):
        path = tmp_path / "north.yaml"
        path.write_text(self.TEXT)
        change_configuration(path, "application", ("api_key",), 'n"ew: #')
        change_configuration(path, "application", ("encryption", "private_key"), "/b.pem")
        change_configuration(path, "dev", ("api_key",), "other")
        assert path.read_text() == (
            self.TEXT.replace("old", '"n\\"ew: #"')
            .replace("'a.pem'", '"/b.pem"')
            .replace("api_key: dev", 'api_key: "other"')
        )
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    @pytest.mark.parametrize(
        "text",
        [
            "application: {port: 1}",
            "application: {port: 1, api_key: }",
            "application: {port: 1, other: &x old, api_key: *x}",
            "application: {port: 1, api_key: null, encryption: {enabled: true}}",
        ],
    )
    def test_what_is_not_there_is_added(self, tmp_path, text):
        path = tmp_path / "north.yaml"
        path.write_text(text)
        before = load_configuration(path, "application", SCHEMA)
        change_configuration(path, "application", ("api_key",), "new")
        assert load_configuration(path, "application", SCHEMA) == {**before, "api_key": "new"}


def test_both_folders_of_the_system_are_looked_at(tmp_path, monkeypatch):
    """The documentation names one, the classic programs use the other."""
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "xdg"))
    monkeypatch.setattr(context, "DOCUMENTED_SYSTEM_FOLDER", tmp_path / "etc")
    ours, theirs = tmp_path / "xdg" / "vantage6" / "node", tmp_path / "etc" / "node"
    save_configuration(theirs / "north.yaml", "prod", {"port": 1})
    save_configuration(theirs / "south.yaml", "prod", {"port": 1})
    save_configuration(ours / "south.yaml", "prod", {"port": 2})
    assert [found.path for found in available("node", True)] == [
        theirs / "north.yaml",
        ours / "south.yaml",
    ]
    for name, folder in (("north", theirs), ("south", ours)):
        found = InstanceContext.find("node", name, "prod", True, SCHEMA)
        assert found.config_file == folder / f"{name}.yaml"
