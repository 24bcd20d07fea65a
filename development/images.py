"""The images, built when what goes into them has changed, and without a network.

Every image carries a label with a digest of its Dockerfile, its files and its parents; an image
whose label is the expected one is left alone.
"""

import argparse
import hashlib
import io
import secrets
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from http import HTTPStatus
from pathlib import Path

import docker
from docker.errors import APIError, BuildError, ImageNotFound
from docker.models.images import Image as BuiltImage
from docker.utils.build import exclude_paths

from development import algorithms, debian, foundations, wheels
from development.console import SetupError, main, step
from development.engine import ensure_engine
from development.foundations import (
    CONTENT_LABEL,
    ENGINE_ERRORS,
    Foundation,
    find,
    has_content,
)
from development.install import ROOT
from development.locks import exclusive
from vantage6.common import __version__
from vantage6.common.globals import (
    DEFAULT_DOCKER_REGISTRY,
    DEFAULT_NODE_IMAGE,
    DEFAULT_SERVER_IMAGE,
)
from vantage6.node.globals import RELAY_IMAGE

LOCK = ROOT / ".cache" / "images.lock"
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
    beside : tuple of Path
        Folders of this checkout that come beside its own files, under their names.
    foundation : Foundation
        What it starts from where it has no parent.
    """

    tag: str
    folder: Path
    parent: "Image | None" = None
    packages: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    beside: tuple[Path, ...] = ()
    foundation: Foundation = foundations.PYTHON

    @cached_property
    def content(self) -> str:
        """A digest of all that goes into the image."""
        digest = hashlib.sha256(self.parent.content.encode() if self.parent else b"")
        for name, path in self.members.items():
            digest.update(name.encode() + path.read_bytes())
        if self.packages:
            digest.update(wheels.digest([*self.packages, *self.extras]).encode())
        return digest.hexdigest()

    @cached_property
    def members(self) -> dict[str, Path]:
        """The files that it is built from, by their names beside the Dockerfile."""
        own = {str(path.relative_to(self.folder)): path for path in _files(self.folder)}
        more = {
            str(path.relative_to(folder.parent)): path
            for folder in self.beside
            for path in _files(folder)
        }
        return own | more


def _files(folder: Path) -> list[Path]:
    """The files of a folder, without those that its .dockerignore names."""
    ignore = folder / ".dockerignore"
    ignored = ignore.read_text().split() if ignore.exists() else []
    names = exclude_paths(str(folder), [*ignored, *NEVER_COPIED], "Dockerfile")
    return sorted(path for name in names if (path := folder / name).is_file())


BASE = Image("vantage6/base:bookworm", ROOT / "docker" / "base")
ALGORITHM_BASE = Image(
    f"{DEFAULT_DOCKER_REGISTRY}/algorithm-base:{__version__}",
    ROOT / "docker" / "algorithm-base",
    parent=BASE,
    packages=("vantage6-client",),
    # every kind of database that an owner may have is read without another build
    extras=("pandas", "scipy", "vantage6-algorithm-tools[excel,parquet,sparql,sql]"),
)


ALGORITHM_BASE_R = Image(
    f"{DEFAULT_DOCKER_REGISTRY}/algorithm-base-r:{__version__}",
    ROOT / "docker" / "algorithm-base-r",
    beside=(ROOT / "vantage6-r",),
    foundation=foundations.R,
)

#: What the server works with in `docker/compose.yaml`, by the names of their folders.
SERVICES: dict[str, Image] = {
    name: Image(
        f"{DEFAULT_DOCKER_REGISTRY}/{name}:{__version__}",
        ROOT / "docker" / name,
        foundation=foundation,
    )
    for name, foundation in {
        "rabbitmq": foundations.RABBITMQ,
        "postgres": foundations.POSTGRES,
        "nginx": foundations.NGINX,
    }.items()
}


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


def ensure_r_algorithm_image(folder: Path, tag: str) -> str:
    """Have the image of an algorithm in R; else as `ensure_algorithm_image`."""
    return ensure(Image(tag, folder, parent=ALGORITHM_BASE_R))


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
        extras=("psycopg[binary]", "botocore"),
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
    return has_content(client, image.tag, image.content)


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
        arguments = {"BASE": image.foundation.ensure(client)}
    folders = _wheels(client, image)
    replaced = find(client, image.tag)
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
    members = dict(image.members)
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


#: What `make images` builds, and of it what the tests need.
ALL: dict[str, Callable[[], object]] = {
    "base": ensure_base_image,
    **{name: partial(ensure_shipped_algorithm, name) for name in algorithms.FOLDERS},
    "algorithm-base-r": partial(ensure, ALGORITHM_BASE_R),
    "relay": ensure_relay_image,
    "server": ensure_server_image,
    "infrastructure": ensure_infrastructure_images,
    **{name: partial(ensure, image) for name, image in SERVICES.items()},
}
FOR_TESTS: Sequence[str] = (
    *algorithms.FOLDERS,
    *("relay", "server", "algorithm-base-r"),
    *SERVICES,
)


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
