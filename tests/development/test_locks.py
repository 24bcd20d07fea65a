import subprocess
import sys
import threading

import pytest

from development.locks import exclusive, scratch


def held(path):
    """Tell whether some process holds the lock."""
    program = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    return subprocess.run([sys.executable, "-c", program, path], capture_output=True).returncode


def test_a_lock_is_held_while_it_is_used(tmp_path):
    lock = tmp_path / "deep" / "lock"
    with exclusive(lock, "the other"):
        assert held(lock)
    assert not held(lock)


def test_the_second_waits_for_the_first(tmp_path):
    order = []

    def second():
        with exclusive(tmp_path / "lock", "the other"):
            order.append("second")

    with exclusive(tmp_path / "lock", "the other"):
        thread = threading.Thread(target=second)
        thread.start()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_child_may_hold_it_longer_than_its_parent(tmp_path):
    with exclusive(tmp_path / "lock", "the other") as lock:
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[lock])
    assert held(tmp_path / "lock")
    child.communicate()
    assert not held(tmp_path / "lock")


def test_half_done_work_does_not_stay(tmp_path):
    def work():
        with scratch(tmp_path) as folder:
            (folder / "file").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed(tmp_path):
    (tmp_path / "unfinished-abc").mkdir()
    (tmp_path / "finished").mkdir()
    with scratch(tmp_path) as folder:
        assert sorted(tmp_path.iterdir()) == [tmp_path / "finished", folder]
