"""As whom the server in a container runs, and that its files belong to that user.

Never as root. Who is not root runs the server as himself. For root it is the owner of the data
or the configuration, else a user without a name or rights, who is given what the server writes.
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from vantage6.common.exceptions import ConfigurationError
from vantage6.server.container.settings import Owner, Places

# What the field calls `nonroot`: of nobody's files, and of no package's.
NONROOT = Owner(65532, 65532)
_ROOT = 0


def find_owner(places: Places, security_options: Iterable[str] = ()) -> Owner:
    """The user that a server runs as.

    Parameters
    ----------
    places : Places
    security_options : iterable of str
        What the engine says of itself.
    """
    if "name=rootless" in security_options:
        # There root is but another name of the user whose engine it is.
        return Owner(_ROOT, _ROOT)
    if os.geteuid() != _ROOT:
        return Owner(os.geteuid(), os.getegid())
    for path in (places.data, places.config):
        if path.exists() and path.stat().st_uid != _ROOT:
            return Owner(path.stat().st_uid, path.stat().st_gid)
    return NONROOT


def prepare(places: Places, owner: Owner) -> None:
    """Make the folders of a server, and see that its user can use all that it needs.

    Parameters
    ----------
    places : Places
    owner : Owner

    Raises
    ------
    ConfigurationError
        With what cannot be used.
    """
    for folder in sorted(places.folders):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.geteuid() == _ROOT and owner.uid != _ROOT:
                _hand_over(folder, owner, places)
        except OSError as error:
            raise ConfigurationError(
                f"The folder {folder} cannot be used: {error.strerror}"
            ) from error
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise ConfigurationError(f"You may not write into {folder}")
    _let_read(places.config, owner)


def _hand_over(folder: Path, owner: Owner, places: Places) -> None:
    """Give a folder of root's, and the files of the server in it, to the user it runs as.

    Never one with anything else in it: whoever owns what is above may have led us to any folder.
    """
    holder = folder.stat().st_uid
    strangers = _strangers(folder, places)
    if holder not in (_ROOT, owner.uid) or (holder == _ROOT and strangers):
        kept = f" and holds {strangers[0].name}" if strangers else ""
        raise ConfigurationError(
            f"The folder {folder} belongs to another user than the server ({owner}){kept}; name a "
            f"folder of its own in the configuration, or: chown -R {owner} {folder}"
        )
    os.chown(folder, owner.uid, owner.gid)
    for path in folder.iterdir():
        if path not in strangers:
            _hand_over_file(path, owner)


def _strangers(folder: Path, places: Places) -> list[Path]:
    """What is in a folder and no file of the server."""
    return [path for path in folder.iterdir() if not path.name.startswith(places.ours)]


def _hand_over_file(path: Path, owner: Owner) -> None:
    """Give a file of root's away; never one behind a link, which could be any file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        # A link, or something that is no file: nothing that a server wrote.
        return
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and status.st_uid == _ROOT and status.st_nlink == 1:
            os.fchown(descriptor, owner.uid, owner.gid)
    finally:
        os.close(descriptor)


def _let_read(config: Path, owner: Owner) -> None:
    """Let the group of the server read a configuration of root's; nobody else gets to."""
    status = config.stat()
    readable = owner.uid in (_ROOT, status.st_uid) or status.st_mode & stat.S_IROTH
    if os.geteuid() == _ROOT and not readable:
        os.chown(config, -1, owner.gid)
        config.chmod(stat.S_IMODE(status.st_mode) | stat.S_IRGRP)
