"""What is asked of the owner: an image, by somebody, with an input."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from vantage6.common.serialization import JSON, SEPARATOR, payload_format


@dataclass(frozen=True)
class Origin:
    """Who asked for a run.

    Attributes
    ----------
    organization_id : int, optional
    organization_name : str, optional
        Of a proven origin only the name under which its key was pinned: the server's word for
        it may change.
    user_id, user_name : optional
        Always the server's word; it alone knows the users within an organization.
    proven : bool
        Whether a signature says that the organization asked, and not the server alone.
    """

    organization_id: int | None = None
    organization_name: str | None = None
    user_id: int | None = None
    user_name: str | None = None
    proven: bool = False


@dataclass(frozen=True)
class Input:
    """What the policy may know about an input.

    Attributes
    ----------
    format : str
        As in `vantage6.common.serialization`.
    method : str, optional
        The method it asks for; None where that cannot be read.
    fault : str
        Why it cannot be read; "" where it can.
    """

    format: str
    method: str | None = None
    fault: str = ""


@dataclass(frozen=True)
class Request:
    """One run, as far as it is known; what is None is not known yet.

    Attributes
    ----------
    image : str
        As the task names it.
    origin : Origin
    input : Input, optional
        From what this node decrypted.
    digests : collection of str, optional
        What identifies the content of the image at hand: its digest in the registry, its id.
    """

    image: str
    origin: Origin
    input: Input | None = None
    digests: Collection[str] | None = None


_WITHOUT_METHOD: dict[str, Any] = {}


class _Unreadable(ValueError):
    """The method of an input cannot be told; the text says why."""


def read_input(data: bytes, *, largest: int | None = None) -> Input:
    """What the policy may know about an input; only JSON is taken apart.

    Nothing is ever unpickled here: that runs what the sender put into it.

    Parameters
    ----------
    data : bytes
    largest : int, optional
        Of larger ones only the format is looked at.
    """
    kind = payload_format(data)
    if kind != JSON:
        return Input(kind, fault=f"only JSON is read here, and this is {kind or 'nothing'}")
    if largest is not None and len(data) > largest:
        return Input(kind, fault="it is too large to be looked into")
    try:
        return Input(kind, _method(data))
    except _Unreadable as error:
        return Input(kind, fault=str(error))


def _method(data: bytes) -> str:
    prefix = f"{JSON}{SEPARATOR}".encode()
    body = data[len(prefix) :] if data[: len(prefix)].lower() == prefix else data
    try:
        value = json.loads(
            body.decode(), object_pairs_hook=_object, parse_int=_nothing, parse_float=_nothing
        )
    except (ValueError, RecursionError) as error:
        if isinstance(error, _Unreadable):
            raise
        raise _Unreadable("it is not valid JSON") from error
    method = value.get("method") if isinstance(value, dict) else None
    if not isinstance(method, str) or not method:
        raise _Unreadable("it names no method")
    return method


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """What matters of a JSON object: large inputs are not to be built up in memory.

    Of two equal keys another reader may take the other one, so there must not be any.
    """
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Unreadable("it has a key twice")
    return {"method": value["method"]} if "method" in value else _WITHOUT_METHOD


def _nothing(number: str) -> None:
    """In the place of a number."""
