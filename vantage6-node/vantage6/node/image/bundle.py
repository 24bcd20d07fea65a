"""An image in one file, with what proves which one it is, for houses without a way to a registry.

The file is a tar archive: `image.tar` as the engine saves and loads it, and beside it the
manifests and signatures of the image, which an engine does not save.
"""

import io
import json
import re
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vantage6.common import image as images
from vantage6.node.image import contents
from vantage6.node.image.contents import BundleUnusable
from vantage6.node.image.registry import Repository
from vantage6.node.image.signature import Signature, keep_signatures, kept_signatures
from vantage6.node.image.store import ImageStore, digest_of

_IMAGE = "image.tar"
_SIGNATURES = re.compile(r"sha256:[0-9a-f]{64}\.signatures")
_MANIFEST = re.compile(r"sha256:[0-9a-f]{64}\.manifest")
_LARGEST_DOCUMENT = 4 * 2**20


def save(
    api: Any, repository: Repository, image: str, signatures: list[Signature], file: Path
) -> str:
    """Write an image that is on this machine into a file; returns its digest.

    Parameters
    ----------
    api : docker.APIClient
    repository : Repository
        Where the image came from; its manifest is fetched from there.
    image : str
    signatures : list of Signature
    file : Path

    Raises
    ------
    BundleUnusable
        When the image of this machine is not the one that the registry has.
    """
    reference = images.parse(image)
    manifests = list(_manifests(repository, reference.digest or reference.tag or ""))
    image_id = api.inspect_image(str(reference))["Id"]
    if not any(_describes(manifest, image_id) for manifest in manifests):
        raise BundleUnusable(
            f"The image {reference} on this machine is another one than that of its registry: "
            f"docker pull {reference}"
        )
    digest = digest_of(manifests[0])
    with tarfile.open(file, "w") as archive:
        for manifest in manifests:
            _add(archive, f"{digest_of(manifest)}.manifest", manifest)
        content = json.dumps([vars(signature) for signature in signatures]).encode()
        _add(archive, f"{digest}.signatures", content)
        with tempfile.TemporaryFile(dir=file.parent) as spool:
            for chunk in api.get_image(str(reference)):
                spool.write(chunk)
            entry = tarfile.TarInfo(_IMAGE)
            entry.size = spool.tell()
            spool.seek(0)
            archive.addfile(entry, spool)
    return digest


def load(api: Any, store: ImageStore, file: Path) -> tuple[str, str]:
    """Have the image of a file in the engine, and what proves it in the store.

    Returns
    -------
    tuple of str
        Its name and its digest.

    Raises
    ------
    BundleUnusable
        When the file holds no image, or another than its manifests describe, or several names.
    """
    try:
        with tarfile.open(file) as archive:
            name, digest = _load(api, store, archive)
    except (tarfile.TarError, ValueError, TypeError, KeyError, AttributeError) as error:
        # What the library says of another file is a list of all formats that it does not have.
        raise BundleUnusable(
            f"{file} is not an image with its manifest, as `image save` writes it"
        ) from error
    if not any(_is_here(api, image_id) for image_id in store.image_ids(digest)):
        raise BundleUnusable(f"{file} holds another image than its manifest describes")
    return name, digest


def _load(api: Any, store: ImageStore, archive: tarfile.TarFile) -> tuple[str, str]:
    manifests = []
    signatures: dict[str, list[Signature]] = {}
    image = None
    for entry in archive:
        if entry.name == _IMAGE:
            image = entry
        elif _MANIFEST.fullmatch(entry.name):
            manifests.append(_read(archive, entry))
        elif _SIGNATURES.fullmatch(entry.name):
            found = json.loads(_read(archive, entry))
            signatures[entry.name.removesuffix(".signatures")] = [Signature(**one) for one in found]
    content = image and archive.extractfile(image)
    if not (manifests and content):
        raise BundleUnusable("The file holds no image with its manifest")
    name = contents.check(content, {_described(manifest) for manifest in manifests})
    content.seek(0)
    for line in api.load_image(content):
        if "error" in line:
            raise BundleUnusable(f"The engine does not take the image: {line['error']}")
    # The first is that of the name; others are those of single platforms.
    digest, *_ = [store.add_manifest(manifest) for manifest in manifests]
    for signed, found in signatures.items():
        keep_signatures(store, signed, found)
    return name, digest


def signatures_here(store: ImageStore) -> Iterator[tuple[str, int]]:
    """The digests of which there are manifests, and how many signatures there are of each."""
    for digest in store.digests():
        yield digest, len(kept_signatures(store, digest))


def _manifests(repository: Repository, name: str) -> Iterator[bytes]:
    """The manifest of a name, and those of its platforms where it is a list of them."""
    content = repository.manifest(name)
    yield content
    for entry in json.loads(content).get("manifests", ()):
        yield repository.manifest(entry["digest"])


def _describes(manifest: bytes, image_id: str) -> bool:
    return _described(manifest) == image_id


def _described(manifest: bytes) -> str:
    """The id of the image that a manifest describes; "" for a list of platforms."""
    return str(json.loads(manifest).get("config", {}).get("digest", ""))


def _is_here(api: Any, image_id: str) -> bool:
    return any(found["Id"] == image_id for found in api.images(all=True))


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _read(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    content = archive.extractfile(entry)
    if content is None or entry.size > _LARGEST_DOCUMENT:
        raise BundleUnusable(f"{entry.name} is not a document")
    return content.read()
