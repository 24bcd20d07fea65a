"""What a node agrees on with its server before it does anything."""

import dataclasses
import logging

import pytest

from vantage6.common.context import InstanceContext
from vantage6.common.disclosure import Thresholds
from vantage6.common.encryption import DummyCryptor, RSACryptor
from vantage6.common.exceptions import ConfigurationError, EncryptionError
from vantage6.node import assembly
from vantage6.node.cli.start import in_container
from vantage6.node.configuration import NodeSchema
from vantage6.node.databases import Databases
from vantage6.node.instance import Instance
from vantage6.node.runner.settings import Identity as ContainerIdentity
from vantage6.node.socket import NoListener


@pytest.fixture
def context(tmp_path):
    def make(**values):
        config = NodeSchema().load(
            {
                "api_key": "key",
                "server_url": "http://localhost/",
                "port": 5000,
                "api_path": "/api",
                "databases": {"default": "/data.csv"},
                "encryption": {"enabled": True, "private_key": "key.pem"},
                "directories": {"data": str(tmp_path / "data"), "log": str(tmp_path / "log")},
                **values,
            }
        )
        return InstanceContext("node", "north", "application", False, tmp_path / "n.yaml", config)

    return make


@pytest.fixture
def who(server):
    return server.log_in()


@pytest.mark.parametrize(("ours", "theirs"), [(True, False), (False, True)])
def test_node_and_collaboration_must_agree_on_encryption(who, ours, theirs):
    who = dataclasses.replace(who, encrypted=theirs)
    assembly.agree_on_encryption(who, theirs)
    with pytest.raises(ConfigurationError, match="encrypt"):
        assembly.agree_on_encryption(who, ours)


def test_our_key_is_made_known_where_there_is_none(who, server, key):
    assembly.agree_on_key(who, key, server, replace=False)
    assert server.public_keys[who.organization_id] == key.public_key_str


def test_another_key_is_replaced_only_on_request(who, server, key, tmp_path):
    RSACryptor.create_new_rsa_key(tmp_path / "other.pem")
    theirs = RSACryptor(tmp_path / "other.pem").public_key_str
    who = dataclasses.replace(who, public_key=theirs)
    server.public_keys[who.organization_id] = theirs
    with pytest.raises(ConfigurationError, match="--replace-public-key"):
        assembly.agree_on_key(who, key, server, replace=False)
    assert server.public_keys[who.organization_id] == theirs
    assembly.agree_on_key(who, key, server, replace=True)
    assert server.public_keys[who.organization_id] == key.public_key_str


def test_the_same_key_is_left_alone(who, server, key):
    who = dataclasses.replace(who, public_key=key.public_key_str)
    server.set_public_key = pytest.fail
    assembly.agree_on_key(who, key, server, replace=False)


def test_a_missing_key_file_is_named(context, tmp_path):
    with pytest.raises(ConfigurationError, match=str(tmp_path / "data" / "key.pem")):
        assembly.load_key(context())


def test_a_key_file_that_holds_none(context, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "key.pem").write_text("not a key")
    with pytest.raises(EncryptionError, match=r"key\.pem"):
        assembly.load_key(context())


def test_where_the_key_is(context, key, tmp_path, monkeypatch):
    path = tmp_path / "elsewhere.pem"
    RSACryptor.create_new_rsa_key(path)
    monkeypatch.setenv("PRIVATE_KEY", str(path))
    assert isinstance(assembly.load_key(context()), RSACryptor)
    plain = context(encryption={"enabled": False})
    assert isinstance(assembly.load_key(plain), DummyCryptor)


def test_folders_of_a_node_in_a_container_are_fixed(context):
    inside = in_container(context(task_dir="/home/owner/tasks"))
    assert (str(inside.data_dir), str(inside.log_dir)) == ("/mnt/data", "/mnt/log")
    assert inside.config["task_dir"] is None


def test_settings_follow_the_configuration(context):
    config = context(
        limits={"memory": "1g", "cpus": 0.5, "pids": 9, "output": "1m"},
        algorithm_env={"X": "y"},
        allow_pickle=True,
    ).config
    settings = assembly.run_settings(config, ContainerIdentity("n", "user", "i"), 3, Databases({}))
    rules = settings.rules_for("average")
    limits = rules.limits
    assert (limits.memory, limits.cpus, limits.pids) == (2**30, 0.5, 9)
    assert limits.output == 2**20
    own = {"ALLOW_PICKLE": "true", "X": "y"}
    assert rules.environment == {**own, **Thresholds().variables()}


def test_what_will_be_a_surprise_is_said_at_the_start(context, caplog):
    with caplog.at_level(logging.WARNING):
        assembly._warn(
            context(vpn_subnet="10.76.0.0/16").config, Databases({"default": "/data.csv"})
        )
    assert "No image is allowed" in caplog.text
    assert "database 'default'" in caplog.text
    assert "vpn_subnet" in caplog.text
    caplog.clear()
    users = {"policies": {"allowed_users": [5]}}
    assembly._warn(context(allowed_images=["average"], **users).config, Databases({}))
    assert "trust_server_identity" in caplog.text
    assert "No image is allowed" not in caplog.text


def test_a_data_folder_has_one_id_and_one_process(tmp_path):
    first, second = Instance(tmp_path), Instance(tmp_path)
    assert first.id == second.id
    first.hold()
    first.hold()
    with pytest.raises(ConfigurationError, match="running already"):
        second.hold()
    first.release()
    second.hold()
    second.release()
    assert Instance(tmp_path / "other").id != first.id


def test_nobody_else_gets_at_the_data_folder_or_its_lock(tmp_path):
    instance = Instance(tmp_path / "data")
    instance.hold()
    modes = [
        path.stat().st_mode & 0o777 for path in (tmp_path / "data", *tmp_path.glob("*/*.lock"))
    ]
    instance.release()
    assert modes == [0o700, 0o600]


def test_a_data_folder_that_cannot_be_used(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="data folder"):
        Instance(tmp_path / "file" / "data")


@pytest.mark.parametrize(("mode", "warned"), [(0o644, True), (0o600, False), (0o640, False)])
def test_a_secret_that_everybody_can_read_is_told(context, tmp_path, caplog, mode, warned):
    key = tmp_path / "data" / "key.pem"
    RSACryptor.create_new_rsa_key(key)
    key.chmod(mode)
    assembly.load_key(context())
    assert (str(key) in caplog.text) is warned


def test_sockets_can_be_left_out():
    config = {"connection": {"socket": False}}
    assert isinstance(assembly.listener(config, server=None)(print), NoListener)
