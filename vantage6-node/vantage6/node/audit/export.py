"""A part of the audit log for somebody outside, with a signature if the node has a key."""

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from vantage6.common.exceptions import Vantage6Error
from vantage6.common.keys import fingerprint
from vantage6.node.audit.chain import Head, canonical, read_line
from vantage6.node.audit.check import Check, check_folder, check_lines
from vantage6.node.audit.files import lines
from vantage6.node.reports import now

ALGORITHM = "RSA-PSS-SHA256"

_PADDING = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)


class ExportFault(Vantage6Error):
    """What was given is not an export of an audit log, or was changed."""


def export(
    folder: Path, name: str, since: str = "", key: RSAPrivateKey | None = None
) -> dict[str, Any]:
    """The lines from a moment on, and what a look at the whole log found.

    Parameters
    ----------
    folder : Path
        The data folder of the node.
    name : str
        That of the node.
    since : str
        ISO 8601 in UTC; "" for all.
    key : RSAPrivateKey, optional
        To sign with.
    """
    check = check_folder(folder, partial=True)
    content = {
        "node": name,
        "made_at": now(),
        "since": since or None,
        "head": str(check.head),
        "faults": check.faults,
        "notes": check.notes,
        "lines": list(_texts(folder, since)),
    }
    if key is None:
        return {"content": content}
    return {"content": content, "signature": _sign(content, key)}


def check_export(exported: Mapping[str, Any]) -> tuple[Check, str]:
    """Whether an export is whole, and the fingerprint of the key that signed it ("": none).

    Raises
    ------
    ExportFault
        When it is not an export, or not what was signed.
    """
    try:
        content, signature = exported["content"], exported.get("signature")
        rows = [("the export", text.encode() + b"\n") for text in content["lines"]]
        head = Head.parse(content["head"])
        signer = _verify(content, signature) if signature else ""
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ExportFault("This is not an export of an audit log") from error
    except InvalidSignature as error:
        raise ExportFault("The export is not what was signed") from error
    check = check_lines(rows, {"the export": head} if rows else {}, partial=True)
    check.faults.extend(content["faults"])
    return check, signer


def _texts(folder: Path, since: str) -> Iterator[str]:
    """The lines as they are; from the first that is not too old on, nothing is left out."""
    has_begun = not since
    for _, line in lines(folder):
        record = read_line(line)
        has_begun = has_begun or (record is not None and record.at >= since)
        if has_begun:
            yield line.rstrip(b"\n").decode("utf-8", "backslashreplace")


def _sign(content: Mapping[str, Any], key: RSAPrivateKey) -> dict[str, str]:
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return {
        "algorithm": ALGORITHM,
        "public_key": public.decode(),
        "value": base64.b64encode(key.sign(canonical(content), _PADDING, hashes.SHA256())).decode(),
    }


def _verify(content: Mapping[str, Any], signature: Mapping[str, str]) -> str:
    """The fingerprint of the key that signed the content."""
    key = serialization.load_pem_public_key(signature["public_key"].encode())
    if signature["algorithm"] != ALGORITHM or not isinstance(key, RSAPublicKey):
        raise ValueError("signed in a way that is not known")
    value = base64.b64decode(signature["value"], validate=True)
    key.verify(value, canonical(content), _PADDING, hashes.SHA256())
    return fingerprint(key)
