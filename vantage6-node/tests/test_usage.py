"""Adding up what runs have written, also what was laid out to hurt whoever looks."""

import os
import subprocess
from types import SimpleNamespace

import pytest

from vantage6.node import usage
from vantage6.node.usage import Disk, in_words, measure

MUCH = 2**40


def test_all_that_is_below_counts(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    before = measure([tmp_path], MUCH).size
    (tmp_path / "a" / "b" / "file").write_bytes(bytes(100_000))
    (tmp_path / "file").write_bytes(bytes(50_000))
    found = measure([tmp_path], MUCH)
    assert found.entries == 4
    assert 150_000 <= found.size - before < 200_000
    assert not found.excess(MUCH)
    assert "disk" in found.excess(100_000)


def test_several_folders_and_those_that_are_gone(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(bytes(4096))
    assert measure([tmp_path / "a", tmp_path / "gone", tmp_path / "b"], MUCH).entries == 2


def test_what_is_not_there_does_not_count(tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(10**12)
    os.symlink("/usr", tmp_path / "link")
    os.mkfifo(tmp_path / "pipe")
    found = measure([tmp_path], MUCH)
    assert found.entries == 3
    assert found.size < 2**20


def test_a_file_with_many_names_counts_once(tmp_path):
    (tmp_path / "0").write_bytes(bytes(2**20))
    for number in range(1, 50):
        os.link(tmp_path / "0", tmp_path / str(number))
    assert measure([tmp_path], MUCH).size < 2 * 2**20


def test_a_link_in_place_of_the_folder_is_not_followed(tmp_path):
    os.symlink("/usr", tmp_path / "link")
    with pytest.raises(OSError, match="link"):
        measure([tmp_path / "link"], MUCH)


@pytest.fixture
def bottomless(tmp_path):
    """A folder that is removed in a way that no number of levels can hurt."""
    yield tmp_path
    subprocess.run(["rm", "-rf", tmp_path], check=True)


def test_folders_without_end(bottomless):
    """Deeper than a path can name; and no more files are open than there are levels allowed."""
    descriptor = os.open(bottomless, os.O_RDONLY)
    for _ in range(1000):
        os.mkdir("d" * 200, dir_fd=descriptor)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    found = measure([bottomless], MUCH)
    assert found.entries == usage.MOST_LEVELS + 1
    assert "levels" in found.excess(MUCH)


def test_files_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(usage, "MOST_ENTRIES", 100)
    for number in range(300):
        (tmp_path / str(number)).touch()
    found = measure([tmp_path], MUCH)
    assert found.entries == 101
    assert "files" in found.excess(MUCH)


def test_no_more_is_looked_at_than_is_needed_to_know(tmp_path):
    for number in range(100):
        (tmp_path / str(number)).write_bytes(bytes(2**16))
    assert measure([tmp_path], 2**17).entries < 10


@pytest.mark.parametrize(
    ("size", "words"),
    [(5, "5 bytes"), (1536, "1.5 KiB"), (256 * 2**20, "256 MiB"), (10 * 2**30, "10 GiB")],
)
def test_sizes_in_words(size, words):
    assert in_words(size) == words


@pytest.mark.parametrize(
    ("blocks", "free", "kept", "short", "nearly_full"),
    [
        (2**40, 2**30 + 1, None, False, False),
        (2**40, 2**30 - 1, None, True, False),
        (2**40, 2**29 - 1, None, True, True),
        (2**26, 2**25, None, False, False),
        (2**26, 2**20, None, True, True),
        (2**40, 2**20, 2**19, False, False),
        (2**40, 2**20, 0, False, False),
    ],
)
def test_room_on_the_disk(tmp_path, monkeypatch, blocks, free, kept, short, nearly_full):
    found = SimpleNamespace(f_frsize=1, f_blocks=blocks, f_bavail=free, f_files=0, f_favail=0)
    monkeypatch.setattr(os, "statvfs", lambda path: found)
    disk = Disk(tmp_path, kept)
    assert (disk.is_short, disk.is_nearly_full) == (short, nearly_full)


def test_no_room_for_names_is_no_room(tmp_path, monkeypatch):
    found = SimpleNamespace(f_frsize=1, f_blocks=2**40, f_bavail=2**40, f_files=10**6, f_favail=9)
    monkeypatch.setattr(os, "statvfs", lambda path: found)
    assert Disk(tmp_path).is_nearly_full
