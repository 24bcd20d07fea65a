"""Which folder is the home of a container's user, and whether the image keeps something there."""

import io
import tarfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import docker
from docker.errors import NotFound

from vantage6.node.layout import DATA_FOLDER, TEMPORARY_FOLDER
from vantage6.node.runner.settings import LOOKER, Identity

#: The home of users that the image gives none.
NO_HOME = PurePosixPath("/tmp")

# What every distribution puts into a home, and what builds of images leave there.
_LEFTOVERS = (
    ".bash_history",
    ".bash_logout",
    ".bashrc",
    ".cache/pip",
    ".conda",
    ".gnupg",
    ".npm",
    ".profile",
    ".python_history",
    ".wget-hsts",
)
# Not to be touched, whatever an image says about its home
_TAKEN = [
    *(PurePosixPath(path) for path in ("/proc", "/sys", "/dev", "/etc")),
    DATA_FOLDER,
    TEMPORARY_FOLDER,
]
_LONGEST_PASSWD = 2**20


@dataclass(frozen=True)
class Home:
    """The home of a user in an image.

    Attributes
    ----------
    path : PurePosixPath
    is_free : bool
        Whether a folder in memory can take its place: nothing that the image put there is
        hidden by it, such as packages that were installed for its user alone.
    volumes : tuple of PurePosixPath
        What the image declares to be volumes. The engine would make each on its own disk,
        where nobody counts what is written.
    """

    path: PurePosixPath
    is_free: bool
    volumes: tuple[PurePosixPath, ...] = ()

    def in_memory(self, taken: Iterable[PurePosixPath]) -> set[PurePosixPath]:
        """What becomes a folder in memory, of what is not taken by a mount of ours."""
        return {*self.volumes, *([self.path] if self.is_free else [])} - set(taken)


class Homes:
    """The homes of images, each looked up once.

    Parameters
    ----------
    api : docker.APIClient
    identity : Identity
        On the containers that are made, and never started, to look into an image.
    """

    def __init__(self, api: docker.APIClient, identity: Identity) -> None:
        self._api, self._identity = api, identity
        self._known: dict[tuple[str, str], Home] = {}

    def find(self, image_id: str, user: str | None) -> Home:
        """The home of a user (None: that of the image itself) in an image."""
        key = image_id, user or ""
        if key not in self._known:
            config = self._api.inspect_image(image_id)["Config"]
            user = user or config.get("User") or ""
            home = self._look(image_id, user, config.get("Env") or [])
            volumes = tuple(map(PurePosixPath, config.get("Volumes") or ()))
            self._known[key] = replace(home, volumes=volumes)
        return self._known[key]

    def _look(self, image_id: str, user: str, environment: Iterable[str]) -> Home:
        container = self._api.create_container(
            image_id,
            ["true"],
            labels=self._identity.labels(LOOKER),
            host_config=self._api.create_host_config(network_mode="none"),
        )["Id"]
        try:
            named = dict(entry.partition("=")[::2] for entry in environment).get("HOME")
            path = home_of(user, self._passwd(container)) if named is None else named
            return self._judge(container, path)
        finally:
            self._api.remove_container(container, force=True, v=True)

    def _passwd(self, container: str) -> str:
        with closing(self._contents(container, "/etc/passwd")) as contents:
            for _, content in contents:
                return content.decode(errors="replace")
        return ""

    def _judge(self, container: str, path: str) -> Home:
        home = PurePosixPath(path)
        if not is_usable(home):
            return Home(NO_HOME, is_free=False)
        with closing(self._contents(container, path)) as contents:
            return Home(home, is_free=all(is_leftover(member) for member, _ in contents))

    def _contents(
        self, container: str, path: str
    ) -> Generator[tuple[tarfile.TarInfo, bytes], None, None]:
        """What is at a path of the container, with the beginning of each file."""
        try:
            chunks, _ = self._api.get_archive(container, path)
        except NotFound:
            return
        with tarfile.open(fileobj=_Stream(chunks), mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                yield member, content.read(_LONGEST_PASSWD) if content else b""


class _Stream(io.RawIOBase):
    """Bytes that arrive in pieces, as something to read from."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; none at the end."""
        self._rest = self._rest or next(self._chunks, b"")
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


def is_usable(home: PurePosixPath) -> bool:
    """Whether a home can be a folder of its own in a container at all."""
    if not home.is_absolute() or ".." in home.parts or home == PurePosixPath("/"):
        return False
    return not any(home.is_relative_to(path) or path.is_relative_to(home) for path in _TAKEN)


def is_leftover(member: tarfile.TarInfo) -> bool:
    """Whether nobody misses a member of the archive of a home."""
    path = PurePosixPath(*PurePosixPath(member.name).parts[1:])
    return member.isdir() or (
        member.isfile() and any(path.is_relative_to(name) for name in _LEFTOVERS)
    )


def home_of(user: str, passwd: str) -> str:
    """The home of a user, a name or a number, as the file of users of an image has it."""
    name = user.partition(":")[0] or "0"
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) >= 6 and name in (fields[0], fields[2]):
            return fields[5]
    return "/"
