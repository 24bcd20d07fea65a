"""Folders for servers of other makers: private, and gone in the end, even where we are killed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from development.locks import exclusive


@contextmanager
def private(name: str, account: str, parent: Path | None = None) -> Iterator[Path]:
    """Make a folder for the account that a server runs as; remove what killed ones left.

    Parameters
    ----------
    name : str
        Of what is kept in it.
    account : str
        An account of the system, which gets it where we are root.
    parent : Path, optional
        Where to make it, by default where temporary files are.
    """
    # of each user apart: nobody can lock or remove what others made
    prefix = f"vantage6-{name}-{os.geteuid()}-"
    parent = parent or Path(tempfile.gettempdir())
    with exclusive(parent / f"{prefix}lock", "another process that makes such a folder"):
        for left in parent.glob(f"{prefix}*/"):
            _remove_if_left(left)
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        held = os.open(folder, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        give_away(folder, account)
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(held)


def give_away(path: Path, account: str) -> None:
    """Make an account the owner of a file or folder, where we may."""
    if os.geteuid() == 0:
        shutil.chown(path, account, account)


def as_account(account: str, signal: str) -> list[str]:
    """Return what runs a program as an ordinary user, and ends it when we are killed.

    Parameters
    ----------
    account : str
        An account of the system; who is not root runs it as himself.
    signal : str
        What ends it, such as ``INT``.
    """
    become = [f"--reuid={account}", f"--regid={account}", "--init-groups"]
    return ["setpriv", f"--pdeathsig={signal}", *(become if os.geteuid() == 0 else []), "--"]


def _remove_if_left(folder: Path) -> None:
    """Remove a folder that nobody holds any more."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # its server may be at its last writes; then it goes the next time
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)
