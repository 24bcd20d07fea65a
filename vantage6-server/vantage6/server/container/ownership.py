"""As whom the server in a container runs, and that its files belong to that user.

Never as root. Who is not root runs the server as himself. For root it is the owner of the
configuration or the data, else a user without a name or rights, who is given what the server
writes. But what somebody else than root wrote down, or may turn into something else, is done with
his rights: it must not become a way to what is root's.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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
    # Whose configuration it is says what is done, so it is done as him, to nobody else's data.
    for path in (places.config, places.data):
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
            with _rights(owner, not _is_for_root_to_say(places.config, folder)):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                is_usable = os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=True)
            if is_usable and _gives(owner) and _is_for_root_to_say(places.config, folder):
                _hand_over(folder, owner, places)
        except OSError as error:
            raise ConfigurationError(
                f"The folder {folder} cannot be used: {error.strerror}"
            ) from error
        if not is_usable:
            who = f"The user of the server ({owner})" if _gives(owner) else "You"
            raise ConfigurationError(f"{who} may not write into {folder}")
    _let_read(places.config, owner)


def _gives(owner: Owner) -> bool:
    """Whether we are root, and the server is not."""
    return os.geteuid() == _ROOT and owner.uid != _ROOT


def _is_for_root_to_say(config: Path, folder: Path) -> bool:
    """Whether nobody but root names a folder, in the configuration or by what is above it."""
    return config.stat().st_uid == _ROOT and _is_roots(config) and _is_roots(folder)


def _is_roots(path: Path) -> bool:
    """Whether everything above a path, and above where its links lead, is root's."""
    above = {*path.absolute().parents, *path.resolve().parents}
    return all(folder.lstat().st_uid == _ROOT for folder in above if folder.exists())


@contextmanager
def _rights(owner: Owner, are_taken: bool) -> Iterator[None]:
    """Have the rights of an owner meanwhile, and no others, if we are root."""
    if not (are_taken and _gives(owner)):
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    os.setgroups([])
    os.setegid(owner.gid)
    os.seteuid(owner.uid)
    try:
        yield
    finally:
        os.seteuid(_ROOT)
        os.setegid(group)
        os.setgroups(groups)


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
        if not _is_roots(config):
            raise ConfigurationError(
                f"{config} is a file of root in a folder of somebody else; move it, or give it away"
            )
        os.chown(config, -1, owner.gid)
        config.chmod(stat.S_IMODE(status.st_mode) | stat.S_IRGRP)
