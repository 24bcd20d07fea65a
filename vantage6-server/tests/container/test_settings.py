"""What a container gets, worked out from the configuration alone."""

from pathlib import Path
from typing import Any

import pytest
from served import write_config
from sqlalchemy.engine import make_url

from vantage6.common.context import InstanceContext
from vantage6.common.exceptions import ConfigurationError
from vantage6.server.configuration import ServerSchema
from vantage6.server.container import inside, settings

SQLITE = make_url("sqlite:////srv/v6/server.sqlite")


def context(folder: Path, *, system: bool = False, **differing: Any) -> InstanceContext:
    path = write_config(folder, "acc", **{"directories": ..., **differing})
    return InstanceContext.from_file("server", path, "acc", system, ServerSchema())


class TestPlaces:
    def test_a_container_never_shares_a_log_folder(self, tmp_path: Path) -> None:
        """The default one of the system also holds the data of all other servers."""
        for system in (True, False):
            found = settings.places(context(tmp_path, system=system), SQLITE)
            assert found.log.name == "hospital"
            assert found.data.name == "hospital"

    def test_what_the_operator_chose_is_used_as_it_is(self, tmp_path: Path) -> None:
        chosen = {"data": str(tmp_path / "d"), "log": str(tmp_path / "l")}
        found = settings.places(context(tmp_path, directories=chosen), SQLITE)
        assert found.folders == {tmp_path / "d", tmp_path / "l", Path("/srv/v6")}

    def test_inside_the_folders_are_fixed(self, tmp_path: Path) -> None:
        logging = {"level": "INFO", "file": "/var/log/v6/server.log"}
        found = inside.in_container(context(tmp_path, logging=logging))
        assert found.data_dir == Path("/mnt/data")
        assert found.log_file == Path("/mnt/log/server.log")


class TestEnvironment:
    def test_a_file_is_found_where_it_is_mounted(self, tmp_path: Path) -> None:
        found = settings.environment(context(tmp_path), SQLITE, {})
        assert found["VANTAGE6_DB_URI"] == "sqlite:////mnt/database/server.sqlite"
        assert found["VANTAGE6_CONFIG_NAME"] == "hospital"

    def test_another_database_is_named_only_by_who_named_it_before(self, tmp_path: Path) -> None:
        url = make_url("postgresql+psycopg://v6:hush@db.example/v6")
        assert "VANTAGE6_DB_URI" not in settings.environment(context(tmp_path), url, {})
        named = {"VANTAGE6_DB_URI": "postgresql://v6:hush@db.example/v6", "OTHER": "1"}
        found = settings.environment(context(tmp_path), url, named)
        assert found["VANTAGE6_DB_URI"] == named["VANTAGE6_DB_URI"]
        assert "OTHER" not in found

    def test_the_command_is_for_the_environment_and_the_scope(self) -> None:
        words = settings.command("start", "acc", "user", "--port", "5000")
        assert " ".join(words) == (
            "vserver-local start --config /mnt/config.yaml --environment acc --user --port 5000"
        )


S3 = {"endpoint": "https://s3.example.org", "bucket": "payloads"}


class TestPayloads:
    def test_with_the_data_they_need_no_folder_of_their_own(self, tmp_path: Path) -> None:
        found = settings.places(context(tmp_path, payloads={"folder": "large"}), SQLITE)
        assert found.payloads is None
        inner = inside.in_container(context(tmp_path, payloads={"folder": "large"}))
        assert inner.config["payloads"]["folder"] == "large"

    def test_a_folder_elsewhere_is_mounted_and_found(self, tmp_path: Path) -> None:
        chosen = context(tmp_path, payloads={"folder": str(tmp_path / "large")})
        found = settings.places(chosen, SQLITE)
        assert tmp_path / "large" in found.folders
        (mount,) = (each for each in settings.mounts(found) if each.source == tmp_path / "large")
        assert not mount.read_only
        assert inside.in_container(chosen).config["payloads"]["folder"] == str(mount.target)

    def test_whom_to_trust_for_the_storage_is_mounted_and_found(self, tmp_path: Path) -> None:
        block = {"store": "s3", "s3": {**S3, "ca_file": str(tmp_path / "ca.pem")}}
        chosen = context(tmp_path, payloads=block)
        found = settings.places(chosen, SQLITE)
        (mount,) = (each for each in settings.mounts(found) if each.source == tmp_path / "ca.pem")
        assert mount.read_only
        assert inside.in_container(chosen).config["payloads"]["s3"]["ca_file"] == str(mount.target)

    def test_whom_to_trust_for_the_broker_is_mounted_and_found(self, tmp_path: Path) -> None:
        chosen = context(tmp_path, rabbitmq_ca_file=str(tmp_path / "broker.pem"))
        found = settings.places(chosen, SQLITE)
        (mount,) = (each for each in settings.mounts(found) if each.source == found.broker_ca)
        assert (mount.source, mount.read_only) == (tmp_path / "broker.pem", True)
        assert inside.in_container(chosen).config["rabbitmq_ca_file"] == str(mount.target)

    def test_keys_of_the_storage_are_passed_on_where_they_are_needed(self, tmp_path: Path) -> None:
        keys = {"AWS_ACCESS_KEY_ID": "who", "AWS_SECRET_ACCESS_KEY": "hush"}
        chosen = context(tmp_path, payloads={"store": "s3", "s3": S3})
        assert keys.items() <= settings.environment(chosen, SQLITE, keys).items()
        assert not keys.items() & settings.environment(context(tmp_path), SQLITE, keys).items()


class TestDatabase:
    @pytest.mark.parametrize(
        "uri",
        [
            "postgresql://v6@localhost/v6",
            "postgresql://v6@127.0.0.1:5433/v6",
            "postgresql://v6@[::1]/v6",
            "postgresql:///v6",
            "postgresql:///v6?host=/var/run/postgresql",
        ],
    )
    def test_one_on_the_loopback_of_this_machine_is_refused(self, uri: str) -> None:
        with pytest.raises(ConfigurationError, match="cannot be reached from a container"):
            settings.check_reachable(make_url(uri))

    @pytest.mark.parametrize(
        "uri", ["postgresql://v6@host.docker.internal/v6", "postgresql://v6@10.1.2.3/v6"]
    )
    def test_any_other_may_do(self, uri: str) -> None:
        settings.check_reachable(make_url(uri))
        settings.check_reachable(SQLITE)


class TestPorts:
    def test_the_address_of_the_configuration_is_not_used(self, tmp_path: Path) -> None:
        config = context(tmp_path, ip="127.0.0.1", port=7601).config
        assert settings.published(config, None, None) == {5000: ("", 7601)}
        assert settings.published(config, "10.0.0.1", 80) == {5000: ("10.0.0.1", 80)}

    def test_no_number_picks_any(self, tmp_path: Path) -> None:
        assert settings.published(context(tmp_path).config, None, 0) == {5000: ("", None)}

    def test_metrics_stay_where_they_were_asked_for(self, tmp_path: Path) -> None:
        found = context(tmp_path, metrics={"ip": "127.0.0.1", "port": 9464})
        assert settings.published(found.config, None, 80)[9464] == ("127.0.0.1", 9464)
        assert inside.in_container(found).config["metrics"]["ip"] == "0.0.0.0"
