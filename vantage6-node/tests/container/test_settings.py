"""What the container of a node gets, worked out from its configuration and its files."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from vantage6.common.context import InstanceContext
from vantage6.common.exceptions import ConfigurationError
from vantage6.node.configuration import NodeSchema
from vantage6.node.container import files, inside, settings
from vantage6.node.container.settings import Files, MountedDatabase, User

FILES = Files(Path("/c/north.yaml"), Path("/d"), Path("/l"), Path("/run/docker.sock"))


def context(folder: Path, **differing: Any) -> InstanceContext:
    config = {
        "api_key": "key",
        "server_url": "https://server.example",
        "port": 443,
        "api_path": "/api",
        "databases": {},
        "encryption": {"enabled": False},
        "directories": {"data": str(folder / "data"), "log": str(folder / "log")},
        **differing,
    }
    path = folder / "north.yaml"
    kept = {key: value for key, value in config.items() if value is not ...}
    path.write_text(yaml.safe_dump({"application": kept}))
    return InstanceContext.from_file("node", path, "application", False, NodeSchema())


class TestFiles:
    def test_folders_are_mounted_and_addresses_are_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "scans").mkdir()
        databases = {
            "default": "postgresql://reader:hush@db.example/omop",
            "Scans": str(tmp_path / "scans"),
        }
        found = files.find(context(tmp_path, databases=databases), {})
        assert found.databases == (MountedDatabase("Scans", tmp_path / "scans", "Scans"),)
        assert "hush" not in str(settings.environment(found, {}))

    def test_a_database_that_is_not_there(self, tmp_path: Path) -> None:
        nowhere = context(tmp_path, databases={"default": "/nowhere/patients.csv"})
        with pytest.raises(ConfigurationError, match=r"/nowhere/patients.csv.*--force-db-mount"):
            files.find(nowhere, {})
        (forced,) = files.find(nowhere, {}, force_databases=True).databases
        assert forced.name == "default.csv"

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("encryption", {"enabled": True, "private_key": "nowhere.pem"}),
            ("connection", {"ca_file": "/nowhere.pem"}),
            ("required_signatures", ["/nowhere.pem"]),
        ],
    )
    def test_any_other_file_that_is_not_there(self, tmp_path: Path, key: str, value: Any) -> None:
        with pytest.raises(ConfigurationError, match=r"is not there: .*nowhere.pem"):
            files.find(context(tmp_path, **{key: value}), {})

    def test_a_relative_key_is_in_the_data_folder(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        key = tmp_path / "data" / "private_key.pem"
        key.touch()
        assert files.find(context(tmp_path, encryption={"enabled": True}), {}).key == key

    def test_authorities_of_the_environment_are_trusted_in_there_too(self, tmp_path: Path) -> None:
        authority = tmp_path / "ca.pem"
        authority.touch()
        found = files.find(context(tmp_path), {"REQUESTS_CA_BUNDLE": str(authority)})
        assert found.ca == authority

    def test_tasks_have_a_place_of_their_own_only_when_they_have(self, tmp_path: Path) -> None:
        assert files.find(context(tmp_path, task_dir=str(tmp_path / "data")), {}).tasks is None
        assert files.find(context(tmp_path, task_dir="/srv/tasks"), {}).tasks == Path("/srv/tasks")

    def test_a_log_folder_is_shared_with_nobody(self, tmp_path: Path) -> None:
        shared = context(tmp_path, directories=...)
        assert files.log_folder(shared) == shared.log_dir / "north"

    def test_folders_are_made_for_their_owner_alone(self, tmp_path: Path) -> None:
        found = files.find(context(tmp_path), {})
        files.prepare(found)
        assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "data").touch()
        with pytest.raises(ConfigurationError, match=r"data cannot be used: File exists"):
            files.prepare(files.find(context(tmp_path), {}))


class TestNames:
    @pytest.mark.parametrize(
        ("label", "path", "name"),
        [
            ("default", "/srv/patients.csv", "default.csv"),
            ("default", "/srv/patients.2024.parquet", "default.parquet"),
            ("visits", "/srv/visits.csv.gz", "visits.csv.gz"),
            ("scans", "/srv/scans", "scans"),
            ("data", "/srv/data", "database_data"),
            ("private_key", "/srv/x.pem", "database_private_key.pem"),
            ("a/b", "/srv/x.csv", "a_b.csv"),
        ],
    )
    def test_of_databases(self, label: str, path: str, name: str) -> None:
        assert settings.mounted_name(label, Path(path)) == name

    def test_of_the_container(self) -> None:
        assert settings.container_name("north", "system") == "vantage6-north-system"


class TestMounts:
    def test_nothing_but_its_own_and_only_its_folders_to_write_to(self) -> None:
        database = MountedDatabase("default", Path("/h/p.csv"), "default.csv")
        found = Files(**{**vars(FILES), "databases": (database,), "key": Path("/k.pem")})
        mounted = {str(one.target): one for one in settings.mounts(found, "north")}
        assert set(mounted) == {
            "/mnt/config/north.yaml", "/mnt/data", "/mnt/log", "/var/run/docker.sock",
            "/mnt/private_key.pem", "/mnt/default.csv",
        }  # fmt: skip
        writable = {target for target, one in mounted.items() if not one.read_only}
        assert writable == {"/mnt/data", "/mnt/log"}
        assert mounted["/mnt/config/north.yaml"].source == Path("/c/north.yaml")

    def test_what_it_says_names_files_as_they_are_here(self) -> None:
        found = Files(**{**vars(FILES), "tasks": Path("/srv/t")})
        names = settings.names(found, "north")
        assert names["/mnt/data"] == "/d"
        assert list(names) == sorted(names, key=len, reverse=True)


class TestEnvironment:
    def test_files_and_the_proxies_of_the_house(self) -> None:
        database = MountedDatabase("Visits", Path("/h/v.csv"), "Visits.csv")
        found = Files(**{**vars(FILES), "databases": (database,), "key": Path("/k.pem")})
        given = {"https_proxy": "http://proxy.example:3128", "SECRET": "hush"}
        assert settings.environment(found, given) == {
            "HOME": "/tmp",
            "https_proxy": "http://proxy.example:3128",
            "PRIVATE_KEY": "/mnt/private_key.pem",
            "VISITS_DATABASE_URI": "Visits.csv",
        }

    def test_the_command_inside_is_the_documented_one(self, tmp_path: Path) -> None:
        words = " ".join(settings.command(context(tmp_path), ["--kill-on-exit"]))
        assert words == (
            "vnode-local start -c /mnt/config/north.yaml -n north -e application --user "
            "--dockerized --ready-file /mnt/data/ready --kill-on-exit"
        )

    def test_what_is_for_one_start_is_told_by_a_file(self, tmp_path: Path) -> None:
        words = " ".join(settings.command(context(tmp_path), once=["--take-over"]))
        assert words.endswith("/ready --take-over --only-once /mnt/data/once")


class TestUser:
    def test_who_starts_it_runs_it_and_may_talk_to_the_engine(self) -> None:
        user = settings.user(1000, 1000, [1000, 27], 999, ["name=seccomp"])
        assert user == User(1000, 1000, (27, 999))
        assert settings.rights(user) == {"group_add": [27, 999]}

    def test_root_has_little_of_what_root_may(self) -> None:
        user = settings.user(0, 0, [0], 999, [])
        assert str(user) == "0:0"
        assert settings.rights(user) == {"cap_add": ["CHOWN", "DAC_OVERRIDE", "FOWNER"]}

    def test_the_root_of_a_rootless_engine_is_its_user(self) -> None:
        assert settings.user(1000, 1000, [], 1000, ["name=rootless"]) == User(0, 0)


class TestEngine:
    def test_the_one_that_the_environment_names(self) -> None:
        assert settings.engine_socket({}) == Path("/var/run/docker.sock")
        own = {"DOCKER_HOST": "unix:///run/user/1000/docker.sock"}
        assert settings.engine_socket(own) == Path("/run/user/1000/docker.sock")

    def test_one_elsewhere_does_not_see_our_files(self) -> None:
        with pytest.raises(ConfigurationError, match="not the one of this machine"):
            settings.engine_socket({"DOCKER_HOST": "tcp://other.example:2376"})


class TestAddresses:
    @pytest.mark.parametrize(
        "differing",
        [
            {"server_url": "http://localhost"},
            {"server_url": "http://127.0.0.1"},
            {"connection": {"proxy": "http://localhost:3128"}},
        ],
    )
    def test_what_no_container_reaches(self, tmp_path: Path, differing: Any) -> None:
        with pytest.raises(ConfigurationError, match=r"cannot be reached.*host\.docker\.internal"):
            settings.check_reachable(context(tmp_path, **differing).config)

    def test_any_other_may_do(self, tmp_path: Path) -> None:
        settings.check_reachable(context(tmp_path).config)


class TestInside:
    def test_folders_are_fixed(self, tmp_path: Path) -> None:
        log = {"level": "INFO", "file": "/var/log/v6/node.log"}
        found = inside.in_container(context(tmp_path, logging=log, task_dir="/srv/tasks"))
        assert found.data_dir == Path("/mnt/data")
        assert found.log_file == Path("/mnt/log/node.log")
        assert found.config["task_dir"] is None

    def test_files_are_where_they_are_mounted_and_nowhere_else(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given = context(tmp_path, connection={"ca_file": "/srv/ca.pem"})
        assert inside.in_container(given).config["connection"]["ca_file"] == "/srv/ca.pem"
        mounted = tmp_path / "mounted.pem"
        mounted.touch()
        monkeypatch.setattr(inside, "CA_FILE", mounted)
        found = inside.in_container(given).config["connection"]["ca_file"]
        assert found == os.fspath(mounted)
