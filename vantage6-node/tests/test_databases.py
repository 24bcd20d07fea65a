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
