"""Commands in a terminal: who is ended by its keys."""

import signal
import sys
from collections.abc import Iterator

import pexpect
import pytest

from development import terminal

_SECONDS = 60


@pytest.fixture
def deaf() -> Iterator[None]:
    """We ignore what a shell has its commands in the background ignore."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("deaf")
def test_ctrl_c_ends_a_command_also_where_we_would_not_hear_it() -> None:
    waits = "import time; print('ready', flush=True); time.sleep(3600)"
    person = terminal.spawn(sys.executable, ["-c", waits], seconds=_SECONDS)
    person.expect("ready")
    person.sendintr()
    person.expect(pexpect.EOF)
    person.wait()
    assert person.signalstatus == signal.SIGINT
