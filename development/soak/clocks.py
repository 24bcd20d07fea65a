"""Clocks of single processes, moved while they run; the machine's stays as it is.

Debian's libfaketime stands between a process and its clock, and reads from a file how far that is
off. Only the time of day is moved: what counts seconds since the start of the machine does so
after somebody has set its clock, too.
"""

from pathlib import Path

from development import debian
from development.console import SetupError

PACKAGE = "libfaketime"
_FOLDERS = "/usr/lib/*/faketime/libfaketimeMT.so.1"
_SHARED = Path("/dev/shm")
_SLEEPING = Path(__file__).with_name("sleeping")
# Seconds for which a process believes what it read last.
LAG = 1


def library() -> Path:
    """Have libfaketime, and return where it is."""
    found = _find()
    if not found and debian.is_ours():
        debian.install(PACKAGE)
        found = _find()
    if not found:
        raise SetupError("libfaketime is not installed, and only root on Debian can have that done")
    return found[0]


def _find() -> list[Path]:
    return sorted(Path("/").glob(_FOLDERS.lstrip("/")))


class Clock:
    """The clock of one process.

    Parameters
    ----------
    file : Path
        Where it is written how far it is off.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)

    def set(self, seconds: int, rate: float = 1.0) -> None:
        """Have it go before (or, below 0, behind) the machine's, and faster or slower."""
        partial = self._file.with_suffix(".part")
        speed = "" if rate == 1 else f" x{rate}"
        partial.write_text(f"{seconds:+d}{speed}\n")
        partial.replace(self._file)

    def wrap(self, command: list[str]) -> list[str]:
        """The command of a process that is to have this clock."""
        return [
            "env",
            f"LD_PRELOAD={library()}",
            f"PYTHONPATH={_SLEEPING}",
            f"FAKETIME_TIMESTAMP_FILE={self._file}",
            f"FAKETIME_CACHE_DURATION={LAG}",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
            # Meant for an old libc; with ours, threads would spin where they wait for a while.
            "FAKETIME_FORCE_MONOTONIC_FIX=0",
            "FAKETIME_XRESET=1",
            *command,
        ]


def clear_up(pid: int) -> None:
    """Remove what the library keeps for a process that was killed."""
    for kind in ("shm", "sem"):
        for name in (f"faketime_{kind}_{pid}", f"sem.faketime_{kind}_{pid}"):
            (_SHARED / name).unlink(missing_ok=True)
