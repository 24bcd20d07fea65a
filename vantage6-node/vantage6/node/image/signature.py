"""Signatures of images, in the format of cosign: small documents beside the image.

What is signed names a repository and the digest of a manifest, so a signature holds for exactly
one content under one name; a tag that moves on to other content takes none along. Everything is
checked with the keys of the owner, without asking anybody.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from vantage6.common import image as images
from vantage6.common.exceptions import ConfigurationError, Vantage6Error
from vantage6.common.image import ImageReference
from vantage6.node.image.registry import MANIFEST, NotInRegistry, RegistryError, Repository
from vantage6.node.image.store import ImageStore

_TYPE = "cosign container image signature"
_MEDIA_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
_ANNOTATION = "dev.cosignproject.cosign/signature"
# Of one image; each is a document that its registry could make large.
_MOST_SIGNATURES = 64
_ALGORITHM = ec.ECDSA(hashes.SHA256())


class Unsigned(Vantage6Error):
    """An image lacks a signature that the owner requires; the text says which."""


@dataclass(frozen=True)
class Signature:
    """What was signed, and its signature in base64."""

    payload: str
    signature: str

    def is_by(self, key: ec.EllipticCurvePublicKey) -> bool:
        """Whether a key signed exactly this."""
        try:
            key.verify(
                base64.b64decode(self.signature, validate=True), self.payload.encode(), _ALGORITHM
            )
        except (InvalidSignature, binascii.Error):
            return False
        return True

    def is_for(self, reference: ImageReference, digest: str) -> bool:
        """Whether this content under this name is meant."""
        try:
            critical = json.loads(self.payload)["critical"]
            named = images.parse(critical["identity"]["docker-reference"])
            signed = critical["image"]["docker-manifest-digest"]
            type_ = critical["type"]
        except (ValueError, TypeError, KeyError, AttributeError):
            return False
        same_name = (named.domain, named.path) == (reference.domain, reference.path)
        return same_name and signed == digest and type_ == _TYPE


Fetch = Callable[[ImageReference, str], list[Signature]]


class SignatureCheck:
    """Requires that images are signed.

    Parameters
    ----------
    keys : sequence of EllipticCurvePublicKey
        One of them has to have signed.
    store : ImageStore
        Signatures that are here; those that were found good are put there.
    fetch : callable
        Gets the signatures of an image from its registry.
    """

    def __init__(
        self, keys: Sequence[ec.EllipticCurvePublicKey], store: ImageStore, fetch: Fetch
    ) -> None:
        self._keys, self._store, self._fetch = keys, store, fetch

    def require(self, image: str, digest: str | None) -> None:
        """Raise Unsigned unless this content of an image is signed by a key of the owner."""
        if digest is None:
            raise Unsigned(
                f"The owner of this node requires signed images, and {image} has no digest that "
                "could be signed: it came from no registry"
            )
        reference = images.parse(image)
        if self._good(kept_signatures(self._store, digest), reference, digest):
            return
        try:
            fetched = self._fetch(reference, digest)
        except RegistryError as error:
            raise Unsigned(
                f"The owner of this node requires signed images, and no signature of {image} "
                f"could be had: {error}"
            ) from error
        good = self._good(fetched, reference, digest)
        if not good:
            raise Unsigned(_refusal(image, digest, fetched, reference))
        keep_signatures(self._store, digest, good)

    def _good(
        self, signatures: Iterable[Signature], reference: ImageReference, digest: str
    ) -> list[Signature]:
        return [
            signature
            for signature in signatures
            if signature.is_for(reference, digest)
            and any(signature.is_by(key) for key in self._keys)
        ]


def _refusal(image: str, digest: str, found: Sequence[Signature], reference: ImageReference) -> str:
    subject = f"The owner of this node requires signed images, and {image} ({digest})"
    if not found:
        return f"{subject} has no signature"
    if not any(signature.is_for(reference, digest) for signature in found):
        return f"{subject} has a signature of something else only"
    return f"{subject} is not signed with a key that the owner trusts"


def kept_signatures(store: ImageStore, digest: str) -> list[Signature]:
    """The signatures of a digest that are on this machine."""
    return [Signature(**entry) for entry in store.signatures(digest)]


def keep_signatures(store: ImageStore, digest: str, added: Iterable[Signature]) -> None:
    """Keep signatures of a digest on this machine, besides those that are here."""
    both = dict.fromkeys((*kept_signatures(store, digest), *added))
    store.keep_signatures(digest, [asdict(signature) for signature in both])


def fetch_signatures(
    log_ins: Mapping[str, Mapping[str, str]], reference: ImageReference, digest: str
) -> list[Signature]:
    """The signatures of a digest in its registry; none is no error."""
    repository = Repository(reference, log_ins.get(reference.domain))
    try:
        manifest = json.loads(repository.manifest(_tag(digest)))
    except NotInRegistry:
        return []
    except ValueError as error:
        raise RegistryError(f"The signatures of {digest} cannot be read") from error
    return [
        Signature(repository.blob(layer["digest"]).decode(errors="replace"), signature)
        for layer in manifest.get("layers", ())[:_MOST_SIGNATURES]
        if (signature := (layer.get("annotations") or {}).get(_ANNOTATION))
    ]


def sign(key: ec.EllipticCurvePrivateKey, reference: ImageReference, digest: str) -> Signature:
    """Sign the content of an image under its name."""
    payload = json.dumps(
        {
            "critical": {
                "identity": {"docker-reference": f"{reference.domain}/{reference.path}"},
                "image": {"docker-manifest-digest": digest},
                "type": _TYPE,
            },
            "optional": None,
        }
    )
    signature = key.sign(payload.encode(), _ALGORITHM)
    return Signature(payload, base64.b64encode(signature).decode())


def publish(repository: Repository, digest: str, signatures: Iterable[Signature]) -> None:
    """Put signatures beside an image, in place of those that are there."""
    layers = [
        {
            "mediaType": _MEDIA_TYPE,
            **repository.put_blob(signature.payload.encode()),
            "annotations": {_ANNOTATION: signature.signature},
        }
        for signature in signatures
    ]
    config: dict[str, Any] = repository.put_blob(b"{}")
    repository.put_manifest(
        _tag(digest),
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
            "layers": layers,
        },
    )


def load_public_key(path: Path) -> ec.EllipticCurvePublicKey:
    """A key of `required_signatures`; ConfigurationError when the file holds none."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"The key {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigurationError(f"{path} holds no public key (PEM)") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ConfigurationError(f"{path} holds no key for ECDSA, which signatures of images need")
    return key


def load_private_key(path: Path, password: str | None) -> ec.EllipticCurvePrivateKey:
    """A key to sign with; ConfigurationError when the file holds none."""
    try:
        key = load_pem_private_key(path.read_bytes(), password.encode() if password else None)
    except OSError as error:
        raise ConfigurationError(f"The key {path} cannot be read: {error.strerror}") from error
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{path} holds no private key (PEM) that this password opens"
            if password
            else f"{path} holds no private key (PEM), or one that needs a password"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigurationError(f"{path} holds no key for ECDSA, which signatures of images need")
    return key


def _tag(digest: str) -> str:
    return f"{digest.replace(':', '-')}.sig"
