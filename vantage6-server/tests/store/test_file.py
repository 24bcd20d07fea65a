"""The payload store in a folder."""

import os
import secrets
from pathlib import Path

import pytest

from vantage6.common.exceptions import ConfigurationError
from vantage6.server.store.file import FileStore
from vantage6.server.store.interface import StoreFull

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


def test_what_cannot_fit_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    space = os.statvfs(tmp_path)
    with pytest.raises(StoreFull, match="no space"):
        FileStore(tmp_path).begin(NAME, (space.f_bavail + 10**9) * space.f_frsize)


def test_a_folder_that_cannot_be_made_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be written to: Not a directory"):
        FileStore(tmp_path / "file" / "payloads").check()
