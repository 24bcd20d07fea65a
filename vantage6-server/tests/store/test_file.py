"""The payload store in a folder."""

import errno
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vantage6.common.exceptions import ConfigurationError
from vantage6.server.aside import Aside
from vantage6.server.store import file as file_store
from vantage6.server.store.file import FileStore
from vantage6.server.store.interface import Missing, Progress, StoreError, StoreFull

NAME = "0123456789abcdef" * 2


def test_nobody_else_on_the_machine_may_read_it(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "payloads")
    state = store.begin(NAME, 6)
    store.append(NAME, state, 0, [b"abc"], "writer")
    whole = secrets.token_hex(16)
    store.begin(whole, 0)
    store.finish(whole, "", 0)
    modes = {path: path.stat().st_mode & 0o777 for path in tmp_path.glob("payloads/**/*")}
    assert len(modes) == 5
    for path, mode in modes.items():
        assert mode == (0o700 if path.is_dir() else 0o600), path
    assert (tmp_path / "payloads").stat().st_mode & 0o777 == 0o700


def test_a_finished_object_leaves_nothing_beside_it(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    state = store.begin(NAME, 3)
    store.finish(NAME, store.append(NAME, state, 0, [b"abc"], "writer").state, 3)
    assert os.listdir(tmp_path / "01") == [NAME]


class Late:
    """Something that was begun, and is done no sooner than somebody waits for it."""

    def __init__(self, call: Callable[..., Any], *args: Any) -> None:
        self._call, self._args = call, args
        self._is_over = False

    def get(self) -> None:
        self.wait()

    def wait(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._call(*self._args)


def test_a_piece_is_written_while_the_next_one_comes_in_and_before_the_file_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is closed may be another file by then."""
    monkeypatch.setattr(Aside, "start", lambda self, *args: Late(*args))
    store, part = FileStore(tmp_path), tmp_path / "01" / f"{NAME}.part"
    store.begin(NAME, 9)
    seen = []

    def cut() -> Iterator[bytes]:
        for piece in (b"abc", b"def"):
            yield piece
            seen.append(part.read_bytes())
        raise ConnectionError

    with pytest.raises(ConnectionError):
        store.append(NAME, "", 0, cut(), "writer")
    assert seen == [b"", b"abc"]
    assert part.read_bytes() == b"abcdef"


def test_a_disk_that_fails_with_the_last_piece_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Aside, "start", lambda self, *args: Late(*args))
    store, really = FileStore(tmp_path), os.pwrite

    def full(descriptor: int, data: bytes, at: int) -> int:
        if bytes(data) == b"def":
            raise OSError(errno.ENOSPC, "full")
        return really(descriptor, data, at)

    store.begin(NAME, 6)
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StoreFull) as told:
        store.append(NAME, "", 0, [b"abc", b"def"], "writer")
    assert told.value.progress
    assert told.value.progress.received == 3


def test_what_is_much_is_sent_to_the_disk_before_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[tuple[int, int]] = []
    monkeypatch.setattr(file_store, "_BEGIN_BYTES", 4)
    monkeypatch.setattr(file_store, "_begin_to_sync", lambda _, *part: begun.append(part))
    store = FileStore(tmp_path)
    store.begin(NAME, 11)
    store.append(NAME, "", 0, [b"ab", b"cd", b"efg", b"hi", b"jk"], "writer")
    assert begun == [(0, 4), (4, 5)]


def test_what_is_told_meanwhile_was_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is on the disk with what was written before the waiting began, and not more."""
    monkeypatch.setattr(file_store, "_STEP_BYTES", 3)
    store, really, synced, told = FileStore(tmp_path), os.fdatasync, [0], []

    def sync(descriptor: int) -> None:
        really(descriptor)
        synced.append(os.fstat(descriptor).st_size)

    def note(progress: Progress) -> None:
        assert progress.received in synced
        told.append(progress.received)

    monkeypatch.setattr(os, "fdatasync", sync)
    store.begin(NAME, 12)
    last = store.append(NAME, "", 0, [b"abc", b"de", b"fgh", b"i", b"jkl"], "writer", note)
    assert (told, last.received, synced[-1]) == ([3], 12, 12)


def test_a_disk_that_fails_while_more_comes_in_is_told_though_it_says_so_only_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_store, "_STEP_BYTES", 3)
    store, failures = FileStore(tmp_path), [OSError(errno.EIO, "broken")]

    def fail_once(_: int) -> None:
        if failures:
            raise failures.pop()

    monkeypatch.setattr(os, "fdatasync", fail_once)
    store.begin(NAME, 6)
    with pytest.raises(StoreError, match="cannot be used") as told:
        store.append(NAME, "", 0, [b"abc", b"def"], "writer")
    assert (failures, told.value.progress) == ([], None)


def test_to_send_something_to_the_disk_changes_nothing(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+b") as file:
        file.write(b"abc")
        file.flush()
        assert file_store._begin_to_sync(file.fileno(), 0, 3) == 0
        file.seek(0)
        assert file.read() == b"abc"


def test_a_late_writer_leaves_an_object_alone_that_was_finished_while_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its digest, by which others are given it too, would stand for another content."""
    store, path = FileStore(tmp_path), tmp_path / "01" / NAME
    store.begin(NAME, 4)
    store.append(NAME, "", 0, [b"good"], "first")
    really = os.open

    def finish_between(name: Any, *args: Any, **options: Any) -> int:
        if str(name).endswith(".writer"):
            monkeypatch.undo()
            file_store._finish(path, 4)
        return really(name, *args, **options)

    monkeypatch.setattr(os, "open", finish_between)
    with pytest.raises(Missing):
        store.append(NAME, "", 0, [b"evil"], "late")
    assert b"".join(store.read(NAME, 0, 4)) == b"good"


def test_nobody_becomes_the_writer_of_an_object_that_is_being_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, writer = FileStore(tmp_path), tmp_path / "01" / f"{NAME}.writer"
    store.begin(NAME, 4)
    store.append(NAME, "", 0, [b"good"], "first")
    really, looked_at = os.fsync, []

    def look(descriptor: int) -> None:
        if writer.exists():
            looked_at.append(writer.read_bytes())
            with writer.open() as file, pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            monkeypatch.undo()
        really(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    store.finish(NAME, "", 4)
    assert looked_at == [b""]
    assert os.listdir(tmp_path / "01") == [NAME]


def test_what_cannot_fit_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    space = os.statvfs(tmp_path)
    with pytest.raises(StoreFull, match="no space"):
        FileStore(tmp_path).begin(NAME, (space.f_bavail + 10**9) * space.f_frsize)


def test_a_folder_that_cannot_be_made_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be written to: Not a directory"):
        FileStore(tmp_path / "file" / "payloads").check()
