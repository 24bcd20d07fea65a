"""How answers are written: as JSON, of which long texts are read while it is sent."""

from collections.abc import Mapping
from typing import Any

from flask import Response

from vantage6.common.client.large import LongTexts

_JSON = "application/json"


def as_json(data: Any, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """The answer with this body."""
    body = LongTexts(data)
    if body.is_plain:
        response = Response(b"".join(body) + b"\n", status, mimetype=_JSON)
    else:
        response = Response(iter(body), status, mimetype=_JSON)
        # Else it would be sent in chunks, and its end could be mistaken for the end of the data.
        response.content_length = len(body)
    response.headers.extend(dict(headers or {}))
    return response
