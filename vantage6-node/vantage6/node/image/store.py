"""Manifests and signatures of images, kept on disk beside the engine.

An image that was loaded from a file has lost its digest: the engine knows its id only. Its
manifest says both, and proves it: the digest is the hash of the manifest, and the id stands in
it. So nothing in this folder has to be believed::

    <folder>/<hex of a digest>/
        manifest.json       of an image, or the list of those for several platforms
        signatures.json     see `signature.py`
"""

import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_MANIFEST = "manifest.json"
_SIGNATURES = "signatures.json"
_PREFIX = "sha256:"

log = logging.getLogger(__name__)


def digest_of(content: bytes) -> str:
    """The digest under which a registry has a document."""
    return _PREFIX + hashlib.sha256(content).hexdigest()


class ImageStore:
    """The manifests and signatures of one node.

    Parameters
    ----------
    folder : Path
        Made when something is put into it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def of(cls, data_folder: Path) -> "ImageStore":
        """That of the node with this data folder."""
        return cls(data_folder / "images")

    def digests(self) -> Iterator[str]:
        """Everything that there is a manifest of."""
        for path in sorted(self._folder.glob(f"*/{_MANIFEST}")):
            yield _PREFIX + path.parent.name

    def add_manifest(self, content: bytes) -> str:
        """Keep a manifest, and return its digest."""
        digest = digest_of(content)
        self._write(digest, _MANIFEST, content)
        return digest

    def manifest(self, digest: str) -> bytes | None:
        """The manifest of a digest, if it is here and is what it says."""
        try:
            content = self._path(digest, _MANIFEST).read_bytes()
        except FileNotFoundError:
            return None
        if digest_of(content) != digest:
            log.warning("%s is not the manifest of %s", self._path(digest, _MANIFEST), digest)
            return None
        return content

    def image_ids(self, digest: str) -> Iterator[str]:
        """The ids of the images that a manifest describes; several for several platforms."""
        content = self.manifest(digest)
        if content is None:
            return
        manifest = json.loads(content)
        if "config" in manifest:
            yield manifest["config"]["digest"]
        for entry in manifest.get("manifests", ()):
            yield from self.image_ids(entry["digest"])

    def digest(self, image_id: str) -> str | None:
        """The digest of an image that did not come from a registry: that of all its platforms."""
        found = [digest for digest in self.digests() if image_id in self.image_ids(digest)]
        lists = [digest for digest in found if "manifests" in json.loads(self._read(digest))]
        return next(iter((*lists, *found)), None)

    def signatures(self, digest: str) -> list[Any]:
        """The signatures of a digest, as they were put here."""
        try:
            kept: list[Any] = json.loads(self._path(digest, _SIGNATURES).read_bytes())
        except FileNotFoundError:
            return []
        return kept

    def keep_signatures(self, digest: str, signatures: list[Any]) -> None:
        """Keep the signatures of a digest in place of those that are here."""
        self._write(digest, _SIGNATURES, json.dumps(signatures).encode())

    def _read(self, digest: str) -> bytes:
        return self.manifest(digest) or b"{}"

    def _path(self, digest: str, name: str) -> Path:
        return self._folder / digest.removeprefix(_PREFIX) / name

    def _write(self, digest: str, name: str, content: bytes) -> None:
        path = self._path(digest, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{name}.part")
        partial.write_bytes(content)
        partial.replace(path)
