"""The images, built when what goes into them has changed, and without a network.

Every image carries a label with a digest of its Dockerfile, its files and its parents; an image
whose label is the expected one is left alone.
"""

import argparse
import hashlib
import io
import queue
import secrets
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from http import HTTPStatus
from pathlib import Path

import docker
from docker.errors import APIError, BuildError, DockerException, ImageNotFound
from docker.models.images import Image as BuiltImage
from docker.utils.build import exclude_paths
from requests import RequestException

from development import algorithms, debian, wheels
from development.console import SetupError, main, run, step
from development.engine import ensure_engine
from development.install import ROOT
from development.locks import exclusive, scratch
from vantage6.common import __version__
from vantage6.common.globals import (
    DEFAULT_DOCKER_REGISTRY,
    DEFAULT_NODE_IMAGE,
    DEFAULT_SERVER_IMAGE,
)
from vantage6.node.globals import RELAY_IMAGE

CONTENT_LABEL = "vantage6.content"
LOCK = ROOT / ".cache" / "images.lock"
OFFICIAL_BASE = "python:3.11-slim-bookworm"
DEBIAN_BASE = "vantage6/debian:bookworm"
DEBIAN_SUITE = "bookworm"
MMDEBSTRAP = [
    "mmdebstrap",
    "--quiet",
    "--variant=minbase",
    "--include=python3,python3-pip,ca-certificates",
    *(f"--dpkgopt=path-exclude=/usr/share/{unused}/*" for unused in ("doc", "locale", "man")),
]
#: A registry that has said nothing after this long is taken to be out of reach.
REGISTRY_SECONDS = 8
#: The engine's answers, and what the HTTP library says when it stops answering.
ENGINE_ERRORS = (DockerException, RequestException)
NEVER_COPIED = ["**/__pycache__", "**/*.egg-info", "**/.*_cache", "**/tests"]


@dataclass(frozen=True)
class Image:
    """One image of ours.

    Attributes
    ----------
    tag : str
        Its name in the engine.
    folder : Path
        Where its Dockerfile and the files that go into it are.
    parent : Image, optional
        The image it starts from, handed to the Dockerfile as ``BASE``.
    packages : tuple of str
        Packages of this checkout that come into it as wheels, with all they need.
    extras : tuple of str
        Libraries besides those.
    """

    tag: str
    folder: Path
    parent: "Image | None" = None
    packages: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()

    @cached_property
    def content(self) -> str:
        """A digest of all that goes into the image."""
        digest = hashlib.sha256(self.parent.content.encode() if self.parent else b"")
        for path in self.files:
            digest.update(str(path.relative_to(self.folder)).encode() + path.read_bytes())
        if self.packages:
            digest.update(wheels.digest([*self.packages, *self.extras]).encode())
        return digest.hexdigest()

    @cached_property
    def files(self) -> list[Path]:
        """The files of the folder, without those that its .dockerignore names."""
        ignore = self.folder / ".dockerignore"
        ignored = ignore.read_text().split() if ignore.exists() else []
        names = exclude_paths(str(self.folder), [*ignored, *NEVER_COPIED], "Dockerfile")
        return sorted(path for name in names if (path := self.folder / name).is_file())


BASE = Image("vantage6/base:bookworm", ROOT / "docker" / "base")
ALGORITHM_BASE = Image(
    f"{DEFAULT_DOCKER_REGISTRY}/algorithm-base:{__version__}",
    ROOT / "docker" / "algorithm-base",
    parent=BASE,
    packages=("vantage6-client",),
    extras=("pandas", "scipy"),
)


def ensure_base_image() -> str:
    """Have the image that all others start from, and return its name."""
    return ensure(BASE)


def ensure_algorithm_image(folder: Path, tag: str) -> str:
    """Have the image of the algorithm in ``folder``, and return its name.

    Parameters
    ----------
    folder : Path
        Holds a Dockerfile that starts from ``${BASE}`` and needs no network.
    tag : str
        The image's name.
    """
    return ensure(Image(tag, folder, parent=ALGORITHM_BASE))


def ensure_shipped_algorithm(name: str) -> str:
    """Have the image of an algorithm that we ship, and return its name.

    Parameters
    ----------
    name : str
        The name of its folder in `algorithms/`.
    """
    return ensure_algorithm_image(algorithms.FOLDERS[name], algorithms.tag(name))


def ensure_relay_image() -> str:
    """Have the image through which algorithm containers reach their node, and return its name."""
    return ensure(Image(RELAY_IMAGE, ROOT / "docker" / "relay", parent=BASE))


def infrastructure_image(name: str) -> Image:
    """The image of the server and the node, under the name of either."""
    return Image(
        f"{DEFAULT_DOCKER_REGISTRY}/{name}:{__version__}",
        ROOT / "docker" / "infrastructure",
        parent=BASE,
        packages=("vantage6-node", "vantage6-server"),
        extras=("psycopg[binary]",),
    )


def ensure_server_image() -> str:
    """Have the image of the server, and return its name."""
    return ensure(infrastructure_image(DEFAULT_SERVER_IMAGE))


def ensure_infrastructure_images() -> list[str]:
    """Have the images of the server and the node, and return their names."""
    return [ensure_server_image(), ensure(infrastructure_image(DEFAULT_NODE_IMAGE))]


@contextmanager
def of_this_checkout(name: str) -> Iterator[str]:
    """The image of the server or the node, under a name that no other checkout takes away.

    Parameters
    ----------
    name : str
        `DEFAULT_SERVER_IMAGE` or `DEFAULT_NODE_IMAGE`.
    """
    wanted = infrastructure_image(name)
    own = f"{DEFAULT_DOCKER_REGISTRY}/test-{name}:{secrets.token_hex(4)}"
    with closing(ensure_engine()) as client:
        while True:
            client.images.get(ensure(wanted)).tag(own)
            if client.images.get(own).labels[CONTENT_LABEL] == wanted.content:
                break
        try:
            yield own
        finally:
            client.images.remove(own)


def ensure(image: Image) -> str:
    """Build an image, and before it those it starts from, unless it is there as it should be."""
    with closing(ensure_engine()) as client:
        if not is_current(client, image):
            try:
                with exclusive(LOCK, "another process that builds images"):
                    _build_chain(client, image)
            except ENGINE_ERRORS as error:
                raise SetupError(f"the image {image.tag} was not built: {error}") from error
    return image.tag


def is_current(client: docker.DockerClient, image: Image) -> bool:
    """Tell whether the engine has the image as this checkout would build it."""
    return _has_content(client, image.tag, image.content)


def _has_content(client: docker.DockerClient, tag: str, content: str) -> bool:
    found = _find(client, tag)
    return found is not None and found.labels.get(CONTENT_LABEL) == content


def _find(client: docker.DockerClient, tag: str) -> BuiltImage | None:
    try:
        return client.images.get(tag)
    except ImageNotFound:
        return None


def _remove(client: docker.DockerClient, image: BuiltImage) -> None:
    """Remove an image that has lost its name, so that rebuilding does not fill the disk."""
    try:
        image.reload()
        if not image.tags:
            client.images.remove(str(image.id))
    except ImageNotFound:
        return
    except APIError as error:
        # a container still runs from it, or another image starts from it
        if error.status_code != HTTPStatus.CONFLICT:
            raise


def _build_chain(client: docker.DockerClient, image: Image) -> None:
    if is_current(client, image):
        return
    if image.parent:
        _build_chain(client, image.parent)
        arguments = {"BASE": image.parent.tag}
    else:
        arguments = {"BASE": _foundation(client)}
    folders = _wheels(client, image)
    replaced = _find(client, image.tag)
    with step(f"Building the image {image.tag}"):
        _build(client, image, arguments, folders)
    if replaced:
        _remove(client, replaced)


def _wheels(client: docker.DockerClient, image: Image) -> dict[str, Path]:
    """Return the folders with wheels that are put beside the files of the image."""
    if not image.packages or not image.parent:
        return {}
    target = wheels.ask(client, image.parent.tag)
    return wheels.collect(target, image.packages, image.extras)


def _build(
    client: docker.DockerClient,
    image: Image,
    arguments: dict[str, str],
    folders: dict[str, Path],
) -> None:
    with tempfile.TemporaryFile() as context:
        _write_context(context, image, folders)
        context.seek(0)
        try:
            client.images.build(
                fileobj=context,
                custom_context=True,
                tag=image.tag,
                buildargs=arguments,
                labels={CONTENT_LABEL: image.content},
                network_mode="none",
                rm=True,
                forcerm=True,
            )
        except BuildError as error:
            raise SetupError(f"the image {image.tag} was not built: {_sentence(error)}") from error


def _write_context(file: io.IOBase, image: Image, folders: dict[str, Path]) -> None:
    """Write the files of an image as a tar archive that is the same for the same files."""
    members = {str(path.relative_to(image.folder)): path for path in image.files}
    for name, folder in folders.items():
        members |= {f"{name}/{path.name}": path for path in folder.glob("*.whl")}
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, path in sorted(members.items()):
            entry = archive.gettarinfo(str(path), arcname=name)
            entry.mtime = entry.uid = entry.gid = 0
            with path.open("rb") as content:
                archive.addfile(entry, content)


def _sentence(error: BuildError) -> str:
    """Return the last lines of what a failed build printed, and the error."""
    words = [part.get("stream", "").strip() for part in error.build_log]
    return " / ".join([*[word for word in words if word][-2:], str(error)])


def _foundation(client: docker.DockerClient) -> str:
    """Return the image that the base starts from: the official one, else one of our own."""
    recipe = hashlib.sha256(" ".join(MMDEBSTRAP).encode()).hexdigest()
    if _find(client, OFFICIAL_BASE):
        return OFFICIAL_BASE
    if _has_content(client, DEBIAN_BASE, recipe):
        return DEBIAN_BASE
    with step(f"Pulling {OFFICIAL_BASE}"):
        if _pull(client, OFFICIAL_BASE):
            return OFFICIAL_BASE
    _make_debian(client, recipe)
    return DEBIAN_BASE


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


def _make_debian(client: docker.DockerClient, recipe: str) -> None:
    """Make an image from Debian's packages, as no registry has one for us."""
    if not shutil.which("mmdebstrap"):
        if not debian.is_ours():
            raise SetupError(
                f"no image registry answers for {OFFICIAL_BASE}; pull it once where there is a"
                " network, or install mmdebstrap, which makes one from Debian's packages"
            )
        debian.install("mmdebstrap")
    with scratch(ROOT / ".cache" / "debian") as folder:
        archive = folder / "debian.tar"
        with step(f"Making a Debian {DEBIAN_SUITE} with mmdebstrap"):
            run([*MMDEBSTRAP, DEBIAN_SUITE, archive], "mmdebstrap could not make a Debian")
        with step(f"Importing it as {DEBIAN_BASE}"):
            repository, tag = DEBIAN_BASE.split(":")
            label = [f"LABEL {CONTENT_LABEL}={recipe}"]
            client.api.import_image_from_file(str(archive), repository, tag, changes=label)


#: What `make images` builds, and of it what the tests need.
ALL: dict[str, Callable[[], object]] = {
    "base": ensure_base_image,
    **{name: partial(ensure_shipped_algorithm, name) for name in algorithms.FOLDERS},
    "relay": ensure_relay_image,
    "server": ensure_server_image,
    "infrastructure": ensure_infrastructure_images,
}
FOR_TESTS: Sequence[str] = (*algorithms.FOLDERS, "relay", "server")


def build(arguments: Sequence[str] | None = None) -> None:
    """Build the images that the command line names, or all."""
    parser = argparse.ArgumentParser(prog="development.images", description=build.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ALL)}")
    parser.add_argument("--for-tests", action="store_true", help="as many as can be had here")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(ALL):
        raise SetupError(f"there is no image named {', '.join(sorted(unknown))}")
    names = FOR_TESTS if options.for_tests else options.names or list(ALL)
    try:
        for name in names:
            ALL[name]()
    except SetupError as error:
        if not options.for_tests or debian.is_ours():
            raise
        print(f"note: tests that need containers will be skipped: {error}")


if __name__ == "__main__":
    main(build)
