"""A part of the audit log for somebody outside, with a signature if the node has a key."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vantage6.common.encryption import RSACryptor
from vantage6.common.exceptions import EncryptionError, Vantage6Error
from vantage6.common.keys import fingerprint, is_signed, load_public_key, sign
from vantage6.common.text import canonical_json
from vantage6.node.audit.chain import Head, read_line
from vantage6.node.audit.check import Check, check_folder, check_lines
from vantage6.node.audit.files import lines
from vantage6.node.reports import now

ALGORITHM = "RSA-PSS-SHA256"

# The same key signs other things, too; none of them shall pass for an export.
_PURPOSE = b"vantage6 audit export\0"


class ExportFault(Vantage6Error):
    """What was given is not an export of an audit log, or was changed."""


def export(
    folder: Path, name: str, since: str = "", signer: RSACryptor | None = None
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
    signer : RSACryptor, optional
        Whose private key signs it.
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
    if signer is None:
        return {"content": content}
    signature = {
        "algorithm": ALGORITHM,
        "public_key": signer.public_key_str,
        "value": base64.b64encode(sign(signer.private_key, _digest(content))).decode(),
    }
    return {"content": content, "signature": signature}


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
    except (AttributeError, KeyError, TypeError, ValueError, EncryptionError) as error:
        raise ExportFault("This is not an export of an audit log") from error
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


def _verify(content: Mapping[str, Any], signature: Mapping[str, str]) -> str:
    """The fingerprint of the key that signed the content."""
    key = load_public_key(signature["public_key"])
    value = base64.b64decode(signature["value"], validate=True)
    if signature["algorithm"] != ALGORITHM or not is_signed(key, _digest(content), value):
        raise ExportFault("The export is not what was signed")
    return fingerprint(key)


def _digest(content: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(_PURPOSE + canonical_json(content)).digest()
