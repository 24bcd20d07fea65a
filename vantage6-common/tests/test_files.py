"""Files that are there whole or not at all."""

import os
import stat

import pytest

from vantage6.common.files import sync_folder, write_private_file, written_beside


def test_a_private_file_is_the_owners_alone_also_in_place_of_an_open_one(tmp_path):
    path = tmp_path / "below" / "secret"
    write_private_file(path, b"one")
    path.chmod(0o644)
    write_private_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["secret"]


def test_what_could_not_be_written_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "secret"
    path.write_bytes(b"old")

    def full(descriptor):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["secret"]


def test_nothing_is_there_before_all_is(tmp_path):
    path = tmp_path / "large"
    with written_beside(path) as file:
        file.write(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half"


def test_a_folder_is_synced_and_a_file_is_not_taken_for_one(tmp_path):
    sync_folder(tmp_path)
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(NotADirectoryError):
        sync_folder(path)
