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


def test_greenlets_go_on_meanwhile() -> None:
    command = [sys.executable, "-c", GREENLETS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_elsewhere_it_is_just_called() -> None:
    assert Aside(1)(divmod, 7, 2) == (3, 1)


def test_errors_come_back() -> None:
    with pytest.raises(ZeroDivisionError):
        Aside(1)(divmod, 1, 0)
