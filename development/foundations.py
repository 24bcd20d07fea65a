"""What images start from: an official image where a registry answers, else Debian's packages."""

import hashlib
import queue
import shutil
import threading
from dataclasses import dataclass

import docker
from docker.errors import DockerException, ImageNotFound
from docker.models.images import Image
from requests import RequestException

from development import debian, r
from development.console import SetupError, run, step
from development.install import ROOT
from development.locks import scratch

CONTENT_LABEL = "vantage6.content"
DEBIAN_SUITE = "bookworm"
#: A registry that has said nothing after this long is taken to be out of reach.
REGISTRY_SECONDS = 8
#: The engine's answers, and what the HTTP library says when it stops answering.
ENGINE_ERRORS = (DockerException, RequestException)
_UNUSED = ("doc", "locale", "man")


@dataclass(frozen=True)
class Foundation:
    """An image that none of ours stands below.

    Attributes
    ----------
    tag : str
        The name of the one that is made from Debian's packages.
    packages : tuple of str
        Those, besides the smallest Debian.
    official : str
        The image that is taken in its place where there is one; "" for none.
    """

    tag: str
    packages: tuple[str, ...]
    official: str = ""

    @property
    def command(self) -> list[str]:
        """What makes a Debian with these packages, but for suite and target."""
        return [
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            f"--include={','.join(self.packages)}",
            *(f"--dpkgopt=path-exclude=/usr/share/{unused}/*" for unused in _UNUSED),
        ]

    @property
    def content(self) -> str:
        """A digest of all that goes into the one made from packages."""
        return hashlib.sha256(" ".join(self.command).encode()).hexdigest()

    def ensure(self, client: docker.DockerClient) -> str:
        """Have it, and return the name under which the engine has it."""
        if self.official and find(client, self.official):
            return self.official
        if has_content(client, self.tag, self.content):
            return self.tag
        if self.official:
            with step(f"Pulling {self.official}"):
                if _pull(client, self.official):
                    return self.official
        self._make(client)
        return self.tag

    def _make(self, client: docker.DockerClient) -> None:
        if not shutil.which("mmdebstrap"):
            if not debian.is_ours():
                raise SetupError(self._obstacle())
            debian.install("mmdebstrap")
        with scratch(ROOT / ".cache" / "debian") as folder:
            archive = folder / "debian.tar"
            with step(f"Making a Debian {DEBIAN_SUITE} with mmdebstrap"):
                run([*self.command, DEBIAN_SUITE, archive], "mmdebstrap could not make a Debian")
            with step(f"Importing it as {self.tag}"):
                repository, tag = self.tag.split(":")
                label = [f"LABEL {CONTENT_LABEL}={self.content}"]
                client.api.import_image_from_file(str(archive), repository, tag, changes=label)

    def _obstacle(self) -> str:
        way_out = "install mmdebstrap, which makes one from Debian's packages"
        if not self.official:
            return f"the image {self.tag} is not here; {way_out}"
        return (
            f"no image registry answers for {self.official}; pull it once where there is a"
            f" network, or {way_out}"
        )


PYTHON = Foundation(
    "vantage6/debian:bookworm",
    ("python3", "python3-pip", "ca-certificates"),
    official="python:3.11-slim-bookworm",
)
R = Foundation("vantage6/debian-r:bookworm", (*r.FOR_PROGRAMS, "ca-certificates"))
RABBITMQ = Foundation("vantage6/debian-rabbitmq:bookworm", ("rabbitmq-server",))
POSTGRES = Foundation("vantage6/debian-postgres:bookworm", ("postgresql-15",))
NGINX = Foundation("vantage6/debian-nginx:bookworm", ("nginx-light",))


def find(client: docker.DockerClient, tag: str) -> Image | None:
    """The image of that name, if the engine has it."""
    try:
        return client.images.get(tag)
    except ImageNotFound:
        return None


def has_content(client: docker.DockerClient, tag: str, content: str) -> bool:
    """Tell whether the engine has an image of that name, made of that content."""
    found = find(client, tag)
    return found is not None and found.labels.get(CONTENT_LABEL) == content


def _pull(client: docker.DockerClient, name: str) -> bool:
    """Pull an image; give up when no registry says a first word in time.

    The engine itself asks, in a thread that is left behind: only it knows its proxies and
    mirrors, and it may take a minute to find out that it has no network.
    """
    words: queue.Queue[dict[str, str] | None] = queue.Queue()

    def pull() -> None:
        try:
            repository, tag = name.rsplit(":", 1)
            for word in client.api.pull(repository, tag, stream=True, decode=True):
                words.put(word)
        except ENGINE_ERRORS as error:
            words.put({"error": str(error)})
        words.put(None)

    threading.Thread(target=pull, daemon=True).start()
    try:
        word = words.get(timeout=REGISTRY_SECONDS)
        while word is not None and "error" not in word:
            word = words.get()
    except queue.Empty:
        return False
    return word is None
