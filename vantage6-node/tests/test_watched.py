"""Databases that follow the configuration file, without a restart."""

import dataclasses
import logging
import os
from pathlib import Path

import pytest
import yaml

from vantage6.common.context import InstanceContext
from vantage6.node.configuration import NodeSchema
from vantage6.node.container.inside import in_container
from vantage6.node.databases import DatabaseMissing
from vantage6.node.watched import WatchedDatabases, mounted_databases


class File:
    """The configuration file of a node, edited as owners do."""

    def __init__(self, folder):
        self.path = folder / "north.yaml"
        self.folder = folder

    def write(self, **values):
        section = {
            "api_key": "key",
            "server_url": "http://localhost",
            "port": 5000,
            "api_path": "/api",
            "databases": {"default": str(self.folder / "a.csv")},
            "encryption": {"enabled": False},
            **values,
        }
        content = yaml.safe_dump({"application": section, "environments": {}})
        # as editors do: another file takes the name
        partial = self.folder / "partial"
        partial.write_text(content)
        partial.replace(self.path)


@pytest.fixture
def file(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).touch()
    file = File(tmp_path)
    file.write()
    return file


@pytest.fixture
def watch(file):
    def watch(dockerized=False):
        context = InstanceContext.from_file("node", file.path, "application", False, NodeSchema())
        context = in_container(context) if dockerized else context
        return WatchedDatabases(context, dockerized)

    return watch


def test_a_changed_list_counts_for_the_next_run(watch, file, caplog):
    databases = watch()
    assert databases.choose("default").path.name == "a.csv"
    caplog.set_level(logging.INFO)
    file.write(
        databases=[
            {"label": "default", "uri": str(file.folder / "b.csv"), "type": "csv"},
            {"label": "omop", "uri": "postgresql://db/x"},
        ]
    )
    assert databases.choose("default").path.name == "b.csv"
    assert databases.choose("default").type == "csv"
    assert databases.choose("omop").uri == "postgresql://db/x"
    assert [database.label for database in databases] == ["default", "omop"]
    assert "the databases are now: default, omop" in caplog.text
    assert "next start" not in caplog.text


@pytest.mark.parametrize(
    "databases",
    ["a.csv", {"default": ""}, {"a=b": "x"}, [{"label": "x"}], {"a-b": "x", "a.b": "y"}],
)
def test_a_list_that_cannot_be_used_changes_nothing_and_is_named(watch, file, caplog, databases):
    watched = watch()
    file.write(databases=databases)
    for _ in range(3):
        assert watched.choose("default").path.name == "a.csv"
    assert caplog.text.count("goes on with the databases that it had") == 1
    file.write(databases={"default": str(file.folder / "b.csv")})
    assert watched.choose("default").path.name == "b.csv"


def test_a_file_that_is_gone_or_no_yaml_changes_nothing(watch, file, caplog):
    watched = watch()
    file.path.unlink()
    assert watched.choose("default").path.name == "a.csv"
    file.path.write_text("{")
    assert watched.choose("default").path.name == "a.csv"
    assert caplog.text.count("goes on with the databases that it had") == 2
    file.write(databases={"default": str(file.folder / "b.csv")})
    assert watched.choose("default").path.name == "b.csv"


def test_what_else_was_changed_waits_for_the_next_start(watch, file, caplog):
    watched = watch()
    file.write(allow_all_images=True)
    assert watched.choose("default").path.name == "a.csv"
    assert "next start" in caplog.text


def test_a_file_that_was_edited_or_replaced_is_found_by_its_path(watch, file):
    watched = watch()
    path = file.folder / "a.csv"
    path.unlink()
    with pytest.raises(DatabaseMissing, match=r"no file 'a\.csv'"):
        watched.choose("default")
    path.mkdir()
    assert watched.choose("default").path.is_dir()
    path.rmdir()
    path.write_text("new")
    assert watched.choose("default").path.read_text() == "new"


def test_where_files_are_when_the_node_is_in_a_container(tmp_path):
    for name in ("default.csv", "my-scans.csv"):
        (tmp_path / name).touch()
    databases = {"default": "/home/a.csv", "my-scans": "/home/scans", "omop": "postgresql://db"}
    environment = {
        "DEFAULT_DATABASE_URI": "default.csv",
        "MY_SCANS_DATABASE_URI": "my-scans.csv",
        "OMOP_DATABASE_URI": "postgresql://db",
    }
    assert mounted_databases(databases, environment, tmp_path) == {
        "default": tmp_path / "default.csv",
        "my-scans": tmp_path / "my-scans.csv",
    }


def test_a_file_in_a_container_keeps_the_name_that_its_owner_gave_it(watch, file, monkeypatch):
    monkeypatch.setenv("DEFAULT_DATABASE_URI", os.fspath(file.folder / "b.csv"))
    database = watch(dockerized=True).choose("default")
    assert (database.path.name, database.file_name) == ("b.csv", "a.csv")


def test_a_database_that_was_added_is_not_mounted_in_a_container(watch, file, caplog):
    watched = watch(dockerized=True)
    file.write(databases={"default": "/nowhere/x.csv"})
    with pytest.raises(DatabaseMissing):
        watched.choose("default")
    assert "start the node anew" in caplog.text
    assert "next start" not in caplog.text


@pytest.mark.parametrize("uri", ["postgresql://db/x", "/another/file.csv"])
def test_what_is_mounted_under_a_label_is_only_what_it_named_at_the_start(
    watch, file, monkeypatch, uri
):
    monkeypatch.setenv("DEFAULT_DATABASE_URI", os.fspath(file.folder / "b.csv"))
    watched = watch(dockerized=True)
    assert watched.choose("default").path.name == "b.csv"
    file.write(databases={"default": uri})
    (database,) = watched
    assert database.path in (None, Path(uri))


def test_a_configuration_that_was_replaced_under_its_mount_is_named(watch, file, caplog):
    """The node in a container still sees the old one, which has no name any more."""
    watched = watch(dockerized=True)
    with file.path.open() as held:
        file.write()
        watched._context = dataclasses.replace(
            watched._context, config_file=Path(f"/proc/self/fd/{held.fileno()}")
        )
        assert [database.label for database in watched] == ["default"]
    assert "start it anew" in caplog.text
