"""What an archive of an engine would change on this machine, seen before the engine takes it.

An engine gives every image in an archive the names that stand there, and takes those names from
the images that have them: from the relay, or from an image that the owner of a node allows.
"""

import json
import tarfile
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import IO, Any

from vantage6.common import image as images
from vantage6.common.exceptions import Vantage6Error

_MANIFEST, _INDEX = "manifest.json", "index.json"
_FULL_NAME = "io.containerd.image.name"
_SHORT_NAME = "org.opencontainers.image.ref.name"
_LARGEST = 4 * 2**20


class BundleUnusable(Vantage6Error):
    """A file is not what `save` makes of an image; the text says why."""


def check(file: IO[bytes], described: Collection[str]) -> str:
    """The one name of the one image in an archive.

    Parameters
    ----------
    file : file object
    described : collection of str
        The ids of images that may be in it.

    Raises
    ------
    BundleUnusable
        When there is another image in it, or another name.
    """
    with tarfile.open(fileobj=file, mode="r:") as archive:
        listed = _document(archive, _MANIFEST)
        index = _document(archive, _INDEX)
    if not listed or len(listed) != 1 or len(listed[0]["RepoTags"] or ()) != 1:
        raise BundleUnusable("The file does not hold one image under one name")
    (image,) = listed
    if f"sha256:{PurePosixPath(image['Config']).stem}" not in described:
        raise BundleUnusable("The file holds another image than its manifest describes")
    name = images.canonical(image["RepoTags"][0])
    for entry in index["manifests"] if index else ():
        if not _is_named(entry.get("annotations") or {}, images.parse(name)):
            raise BundleUnusable(f"The file gives {name} a second name")
    return name


def _is_named(annotations: dict[str, str], name: images.ImageReference) -> bool:
    """Whether an image of an index has this name, or none."""
    full, short = annotations.get(_FULL_NAME), annotations.get(_SHORT_NAME)
    is_full = full is None or images.parse(full) == name
    return is_full and (short in (None, name.tag) or images.parse(str(short)) == name)


def _document(archive: tarfile.TarFile, name: str) -> Any:
    """A document of an archive; None where there is none."""
    # An engine unpacks all, so the last of several would count, and one behind a link as well.
    found = [entry for entry in archive if PurePosixPath(entry.name).name == name]
    if not found:
        return None
    (entry, *others) = found
    content = archive.extractfile(entry) if entry.isfile() else None
    if others or PurePosixPath(entry.name) != PurePosixPath(name) or content is None:
        raise BundleUnusable(f"The file has {name} twice, or not where it should be")
    if entry.size > _LARGEST:
        raise BundleUnusable(f"{name} is not a document")
    return json.loads(content.read())
