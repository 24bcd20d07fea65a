"""Files of runs, and containers that play tricks with them."""

import errno
import os
import stat
from dataclasses import replace

import pytest

from vantage6.node.databases import Database
from vantage6.node.inbox import HeldInput
from vantage6.node.outbox import OutputUnusable
from vantage6.node.workspace import Workspace

LIMIT = 100


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "node")


@pytest.fixture
def run(assignment):
    return assignment()


@pytest.fixture
def files(workspace, run, database):
    return workspace.prepare(
        run, HeldInput(b"the input"), [Database("default", str(database), database)]
    )


@pytest.fixture
def task(files):
    return files.data / "task-000000001"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_layout(files, task, workspace, tmp_path):
    assert files.input.read_bytes() == b"the input"
    assert sorted(path.name for path in files.data.iterdir()) == ["patients.csv", "task-000000001"]
    assert sorted(path.name for path in task.iterdir()) == ["input", "output", "token"]
    assert all(path.stat().st_size == 0 for path in task.iterdir())


def test_containers_get_in_and_nobody_else(files, task, tmp_path):
    assert mode(tmp_path / "node" / "runs") == mode(tmp_path / "node" / "tmp") == 0o700
    assert mode(files.data) == mode(task) == mode(files.temporary) == 0o777
    assert mode(task / "output") == 0o666
    assert mode(files.input) == 0o444


def test_the_token_is_written_into_the_file_that_is_mounted(workspace, run, files):
    before = files.token.stat().st_ino
    workspace.write_token(run, "secret")
    assert (files.token.stat().st_ino, mode(files.token)) == (before, 0o444)
    assert workspace.read_token(run) == "secret"


def test_output(workspace, task):
    (task / "output").write_bytes(b"x" * LIMIT)
    before = (task / "output").stat().st_ino
    workspace.take_output(1, LIMIT)
    assert not (task / "output").exists()
    workspace.remove(1)
    assert workspace.outbox.read(1) == b"x" * LIMIT
    assert workspace.outbox._path(1).stat().st_ino == before
    assert workspace.results() == {1}
    workspace.outbox.secure(1)
    workspace.outbox.discard(1)
    assert workspace.results() == set()
    workspace.outbox.secure(1)
    with pytest.raises(OutputUnusable, match="vanished"):
        workspace.outbox.read(1)


def test_an_output_that_was_taken_is_not_asked_for_again(workspace, task):
    (task / "output").write_bytes(b"first")
    workspace.take_output(1, LIMIT)
    workspace.take_output(1, LIMIT)
    assert workspace.outbox.read(1) == b"first"


@pytest.mark.parametrize("error", [errno.EACCES, errno.EXDEV])
def test_an_output_that_cannot_be_moved_is_copied(workspace, task, monkeypatch, error):
    rename = os.rename

    def refuse(source, target, src_dir_fd=None):
        if src_dir_fd is not None:
            raise OSError(error, "no")
        rename(source, target)

    (task / "output").write_bytes(b"x" * LIMIT)
    monkeypatch.setattr(os, "rename", refuse)
    workspace.take_output(1, LIMIT)
    assert workspace.outbox.read(1) == b"x" * LIMIT


def test_an_output_stays_where_it_is_while_the_disk_is_full(workspace, task, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "full")

    (task / "output").write_bytes(b"result")
    with monkeypatch.context() as full:
        full.setattr(os, "rename", refuse)
        with pytest.raises(OSError, match="full"):
            workspace.take_output(1, LIMIT)
    workspace.take_output(1, LIMIT)
    assert workspace.outbox.read(1) == b"result"


def a_link(task):
    (task / "output").unlink()
    (task / "output").symlink_to("/etc/passwd")


def a_pipe(task):
    (task / "output").unlink()
    os.mkfifo(task / "output")


def a_folder(task):
    (task / "output").unlink()
    (task / "output").mkdir()


def another_name(task):
    (task / "other").hardlink_to(task / "output")


def nothing(task):
    (task / "output").unlink()


def too_much(task):
    (task / "output").write_bytes(b"x" * (LIMIT + 1))


def a_link_as_folder(task):
    """The folder moved away and a link to elsewhere put in its place."""
    elsewhere = task.parent.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "output").write_text("secret")
    task.rename(task.with_name("moved"))
    task.symlink_to(elsewhere)


@pytest.mark.parametrize(
    "trick", [a_link, a_pipe, a_folder, another_name, nothing, too_much, a_link_as_folder]
)
def test_outputs_that_are_none(workspace, task, trick):
    trick(task)
    with pytest.raises(OutputUnusable):
        workspace.take_output(1, LIMIT)
    assert workspace.outbox.results() == set()


def test_preparing_again_starts_from_nothing(workspace, run, files, task, database):
    (task / "output").write_text("of the first attempt")
    workspace.take_output(1, LIMIT)
    workspace.prepare(run, HeldInput(b"again"), [Database("default", str(database), database)])
    assert (task / "output").read_text() == ""
    assert workspace.outbox.results() == set()


def test_folders_in_folders_without_end_are_removed(workspace, files, task):
    home = os.open(".", os.O_RDONLY)
    try:
        os.chdir(task)
        for _ in range(3000):
            os.mkdir("d")
            os.chdir("d")
        os.chdir(home)
        workspace.remove(1)
    finally:
        os.chdir(home)
        os.close(home)
    assert workspace.results() == set()


def test_a_link_in_a_run_is_removed_and_not_what_it_leads_to(workspace, files, task, database):
    (task / "link").symlink_to(database.parent)
    workspace.remove(1)
    assert database.exists()


def test_two_images_share_nothing_whatever_the_server_says(workspace, run):
    other = replace(run, image="another:1")
    assert other.run_id == run.run_id
    assert workspace.files(other).temporary != workspace.files(run).temporary


def test_what_runs_share_stays_while_something_is_in_it(workspace, run, files):
    (files.temporary / "round-1").touch()
    workspace.remove_temporary(run)
    assert files.temporary.exists()
    (files.temporary / "round-1").unlink()
    workspace.remove_temporary(run)
    assert not files.temporary.exists()
    workspace.remove_temporary(run)


def test_what_runs_share_stays_for_the_next_round_that_is_about_to_start(workspace, run, files):
    following = replace(run, result_id=run.result_id + 1)
    workspace.prepare(following, HeldInput(b""), [])
    workspace.remove_temporary(run)
    assert files.temporary.exists()
    workspace.remove_temporary(following)
    assert not files.temporary.exists()


def test_what_nobody_shares_any_more_is_found_the_largest_first(workspace, run, database):
    runs = [replace(run, run_id=run_id) for run_id in (1, 2, 3)]
    folders = [workspace.prepare(one, HeldInput(b""), []).temporary for one in runs]
    for folder, size in zip(folders, (4096, 100_000, 50_000), strict=True):
        (folder / "left").write_bytes(b"x" * size)
    assert workspace.left_temporary([runs[1]]) == [folders[2], folders[0]]


def test_a_database_that_is_a_folder(workspace, run, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    files = workspace.prepare(run, HeldInput(b""), [Database("default", str(folder), folder)])
    assert (files.data / "images").is_dir()
