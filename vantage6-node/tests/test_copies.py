"""Copies of databases that runs may change."""

import os
import stat

import pytest

from vantage6.node import copies
from vantage6.node.copies import NoCopy, copy_database

MUCH = 2**30


@pytest.fixture
def house(tmp_path):
    (tmp_path / "house").mkdir()
    return tmp_path / "house"


def test_a_file(house, tmp_path):
    (house / "patients.csv").write_text("age")
    (house / "patients.csv").chmod(0o640)
    copy_database("default", house / "patients.csv", tmp_path / "copy", MUCH)
    assert (tmp_path / "copy").read_text() == "age"
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) & 0o666 == 0o666
    assert stat.S_IMODE((house / "patients.csv").stat().st_mode) == 0o640


def test_a_folder_without_what_it_links_to(house, tmp_path):
    (house / "data" / "inner").mkdir(parents=True)
    (house / "data" / "inner" / "a.csv").write_text("age")
    (house / "secret").write_text("secret")
    (house / "data" / "link").symlink_to(house / "secret")
    copy_database("default", house / "data", tmp_path / "copy", MUCH)
    assert (tmp_path / "copy" / "inner" / "a.csv").read_text() == "age"
    assert (tmp_path / "copy" / "link").is_symlink()
    assert stat.S_IMODE((tmp_path / "copy" / "inner").stat().st_mode) == 0o777
    assert stat.S_IMODE((house / "secret").stat().st_mode) & 0o002 == 0


def test_what_the_owner_s_link_leads_to(house, tmp_path):
    (house / "of-today.csv").write_text("age")
    (house / "patients.csv").symlink_to("of-today.csv")
    copy_database("default", house / "patients.csv", tmp_path / "copy", MUCH)
    assert not (tmp_path / "copy").is_symlink()
    assert (tmp_path / "copy").read_text() == "age"


@pytest.mark.parametrize("is_folder", [False, True])
def test_one_that_is_larger_than_a_run_may_write(house, tmp_path, is_folder):
    path = house / "large" if is_folder else house
    path.mkdir(exist_ok=True)
    (path / "x").write_bytes(bytes(2**20))
    with pytest.raises(NoCopy, match="larger than the 64 KiB"):
        copy_database("default", path if is_folder else path / "x", tmp_path / "copy", 2**16)
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    ("words", "error"), [("No space left on device", OSError), ("Permission denied", NoCopy)]
)
def test_no_room_passes_and_other_trouble_does_not(house, tmp_path, monkeypatch, words, error):
    (house / "x").write_text("age")
    monkeypatch.setattr(copies, "_COPY", ["sh", "-c", f"echo cp: {words} >&2; exit 1"])
    with pytest.raises(error) as raised:
        copy_database("default", house / "x", tmp_path / "copy", MUCH)
    assert str(tmp_path) not in str(raised.value)
    assert os.listdir(tmp_path) == ["house"]
