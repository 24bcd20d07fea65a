"""Work that is done aside: without stopping the others of a process of greenlets."""

import subprocess
import sys

import pytest

from vantage6.server.aside import Aside

GREENLETS = """
from gevent import monkey
monkey.patch_all()
import gevent
from vantage6.server.aside import Aside

# A lock that stops its whole thread: nobody else would be left to release it.
lock = monkey.get_original("_thread", "allocate_lock")()
lock.acquire()
waiting = gevent.spawn(Aside(1), lock.acquire)
gevent.sleep(0)
lock.release()
print(waiting.get())
"""


BEGUN = """
from gevent import monkey
monkey.patch_all()
from vantage6.server.aside import Aside

lock = monkey.get_original("_thread", "allocate_lock")()
lock.acquire()
aside = Aside(2)
begun, wrong = aside.start(lock.acquire), aside.start(divmod, 1, 0)
# It goes on by itself, and we with it.
lock.release()
print(begun.get())
wrong.wait()
try:
    wrong.get()
except ZeroDivisionError:
    print("told")
"""


def run(script: str) -> str:
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return done.stdout


def test_greenlets_go_on_meanwhile() -> None:
    assert run(GREENLETS) == "True\n"


def test_what_is_begun_goes_on_while_who_began_it_does() -> None:
    assert run(BEGUN) == "True\ntold\n"


def test_what_is_begun_elsewhere_is_done_at_once() -> None:
    done: list[int] = []
    begun = Aside(1).start(done.append, 1)
    assert done == [1]
    assert begun.get() is None


def test_the_errors_of_what_was_begun_come_to_who_gets_it() -> None:
    begun = Aside(1).start(divmod, 1, 0)
    begun.wait()
    with pytest.raises(ZeroDivisionError):
        begun.get()


def test_elsewhere_it_is_just_called() -> None:
    assert Aside(1)(divmod, 7, 2) == (3, 1)


def test_errors_come_back() -> None:
    with pytest.raises(ZeroDivisionError):
        Aside(1)(divmod, 1, 0)
