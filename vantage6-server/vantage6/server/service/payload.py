"""The payloads of runs: inputs and results, in the database as texts or in the store as blobs."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from vantage6.common.envelope import is_envelope
from vantage6.server.exceptions import BadRequest
from vantage6.server.model import Blob, Result
from vantage6.server.service.blob import TEXT
from vantage6.server.service.staging import Staged

#: What comes in: nothing, a text, one that was staged, or what was uploaded.
Given = str | Staged | Blob | None


@dataclass(frozen=True)
class Kept:
    """A payload as bytes.

    Attributes
    ----------
    size : int
    digest : str
        SHA-256, in hexadecimal digits.
    form : str
    name : str, optional
        What the store knows it by.
    text : bytes
        The payload itself, where it is not in the store.
    """

    size: int
    digest: str
    form: str
    name: str | None = None
    text: bytes = b""


def kept(result: Result, name: str) -> Kept | None:
    """The `input` or the `result` of a run, if there is one."""
    blob: Blob | None = getattr(result, f"{name}_blob")
    if blob is not None:
        return Kept(blob.size, blob.digest, blob.form, blob.name)
    text = getattr(result, name)
    return None if text is None else of_text(text)


def of_text(text: str) -> Kept:
    """A payload that is in the database."""
    content = text.encode()
    return Kept(len(content), hashlib.sha256(content).hexdigest(), TEXT, None, content)


def is_encrypted(given: Given) -> bool:
    """Whether a payload is an envelope."""
    if given is None or isinstance(given, str):
        return is_envelope(given or "")
    return given.encrypted if isinstance(given, Blob) else given.content.encrypted


def columns(session: Session, name: str, given: Given) -> dict[str, Any]:
    """What a run has of its `input` or `result`: the text, or the blob."""
    if given is None or isinstance(given, str):
        return {name: given, f"{name}_blob_id": None}
    blob = given.keep(session) if isinstance(given, Staged) else given
    return {name: None, f"{name}_blob_id": blob.id}


def chosen(part: Mapping[str, Any], name: str, uploaded: Mapping[int, Blob]) -> Given:
    """What a body gives: within it, or by the id of an upload.

    Raises
    ------
    BadRequest
        When it gives both.
    """
    id_ = part.get(f"{name}_upload")
    if id_ is None:
        given: Given = part.get(name)
        return given
    if part.get(name) is not None:
        raise BadRequest(f"Send either `{name}` or `{name}_upload`")
    return uploaded[id_]
