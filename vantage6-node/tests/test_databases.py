import os
from pathlib import Path

import pytest

from vantage6.node.databases import Database, DatabaseMissing, Databases, is_readable_by


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://user:password@db/omop",
        "https://sparql.example/query",
        "jdbc:sqlserver://host",
        "s3://bucket/key",
    ],
)
def test_addresses_are_not_files(uri):
    database = Database.from_config("x", uri)
    assert (database.path, database.fault()) == (None, None)


def test_files_and_folders(tmp_path):
    file = tmp_path / "data.csv"
    file.touch()
    for uri in (str(file), f"file://{file}", str(tmp_path)):
        database = Database.from_config("x", uri)
        assert database.path is not None
        assert database.fault() is None


def test_a_file_that_is_not_there_is_named_without_its_folder():
    fault = Database.from_config("default", "/secret/place/data.csv").fault()
    assert "'data.csv'" in fault
    assert "/secret" not in fault


def test_a_file_whose_name_looks_like_an_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd:name.csv").touch()
    assert Database.from_config("x", "odd:name.csv").path == tmp_path / "odd:name.csv"


def test_choice(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).touch()
    databases = Databases({"default": str(tmp_path / "a.csv"), "Imaging": str(tmp_path / "b.csv")})
    assert databases.choose("default").label == "default"
    assert databases.choose("imaging").label == "Imaging"
    assert databases.remark("imaging") == ""
    assert databases.choose("unknown").label == "default"
    assert "'unknown'" in databases.remark("unknown")


def test_no_default():
    databases = Databases({"other": "https://sparql.example"})
    with pytest.raises(DatabaseMissing, match="other"):
        databases.choose("unknown")


@pytest.mark.parametrize(
    ("mode", "user", "readable"),
    [
        (0o600, "1234:1234", False),
        (0o604, "1234:1234", True),
        (0o600, "own", True),
        (0o204, "own", False),
        (0o640, "1234:own", True),
        (0o604, "1234:own", False),
        (0o600, "a-name-of-the-image", True),
    ],
)
def test_readable(tmp_path, mode, user, readable):
    path = tmp_path / "data.csv"
    path.touch()
    path.chmod(mode)
    status = path.stat()
    uid, _, gid = user.partition(":")
    user = f"{status.st_uid}:{status.st_gid}" if user == "own" else user
    user = f"{uid}:{status.st_gid}" if gid == "own" else user
    assert is_readable_by(path, user) is readable


def test_a_folder_must_also_be_enterable(tmp_path):
    tmp_path.chmod(0o704)
    assert not is_readable_by(tmp_path, "1234:1234")
    tmp_path.chmod(0o705)
    assert is_readable_by(tmp_path, "1234:1234")


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("/data/my patients.csv", "my patients.csv"),
        ("file:///data/my%20patients.parquet", "my patients.parquet"),
        ("/data/scans/", "scans"),
        ("/", "scans_of_2020"),
    ],
)
def test_what_a_container_calls_a_file(uri, name):
    assert Database.from_config("scans of 2020", uri).file_name == name


def test_links_are_followed_and_what_is_no_data_is_refused(tmp_path):
    target, link = tmp_path / "data.csv", tmp_path / "link.csv"
    target.touch()
    link.symlink_to(target)
    assert Database.from_config("x", str(link)).fault() is None
    assert Database.from_config("x", str(link)).file_name == "link.csv"
    target.unlink()
    assert "not there" in Database.from_config("x", str(link)).fault()
    link.unlink()
    link.symlink_to(link)
    assert "not there" in Database.from_config("x", str(link)).fault()
    os.mkfifo(target)
    assert "neither a file nor a folder" in Database.from_config("x", str(target)).fault()


def test_several_databases_for_one_run(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).touch()
    configured = {"default": str(tmp_path / "a.csv"), "Rdf": "http://x/y", "gone": "/nowhere/c"}
    databases = Databases(configured, {"Rdf": "sparql"})
    chosen = databases.choose_all("unknown", ["RDF", "default"])
    assert [(one.label, one.type) for one in chosen] == [("default", ""), ("Rdf", "sparql")]
    for further in ("gone", "never heard of"):
        with pytest.raises(DatabaseMissing, match=r"not there|none of that label"):
            databases.choose_all("default", [further])


def test_a_file_that_was_replaced_under_a_mount_is_for_the_engine_to_judge(tmp_path):
    path = tmp_path / "data.csv"
    path.touch(mode=0o600)
    with path.open() as held:
        path.unlink()
        assert is_readable_by(Path(f"/proc/self/fd/{held.fileno()}"), "1234:1234")
