"""What whoever asked is told of a container that failed."""

import pytest

from vantage6.node.reasons import reason
from vantage6.node.rules import Limits
from vantage6.node.runner.interface import Ending

LIMITS = Limits(memory=2**27, pids=32, tmp=2**20, disk=2**26)


@pytest.mark.parametrize(
    ("exit_code", "out_of_memory", "log", "words"),
    [
        (137, True, "", "more than the 128 MiB of memory"),
        (1, True, "", "more than the 128 MiB of memory"),
        (3, False, "", "exit code 3"),
        (137, False, "", "exit code 137 (SIGKILL)"),
        (127, False, "", "cannot be run"),
        (255, False, "", "exit code 255"),
        (1, False, "OSError: [Errno 11] Resource temporarily unavailable", "32 processes"),
        (1, False, "RuntimeError: can't start new thread", "32 processes"),
        (1, False, "OSError: [Errno 28] No space left on device: '/tmp/x'", "holds 1 MiB"),
        (1, False, "OSError: [Errno 27] File too large", "no more than 64 MiB"),
        (153, False, "", "SIGXFSZ"),
        (1, False, "OSError: [Errno 30] Read-only file system: '/app/x'", "/mnt/data"),
    ],
)
def test_reasons(exit_code, out_of_memory, log, words):
    assert words in reason(Ending(exit_code, out_of_memory, "", "", log), LIMITS)
