"""Inputs and results as they are: bytes, of which a part may be asked for."""

from base64 import b64encode
from itertools import chain
from typing import Any

from flask import Response, request
from werkzeug.wsgi import wrap_file

from vantage6.server.exceptions import NoSuchRange, NotFound
from vantage6.server.model import Result
from vantage6.server.permission.catalogue import Operation
from vantage6.server.resource.base import Resource
from vantage6.server.resource.contract import contract
from vantage6.server.resource.filter import Value
from vantage6.server.service.payload import Kept, kept
from vantage6.server.store.interface import PIECE

_TEXT = {"type": "string"}
HEADERS = {
    "ETag": "The digest of the whole, in quotes",
    "Repr-Digest": "SHA-256 of the whole",
    "Accept-Ranges": "`bytes`",
}
TAKES = {
    "Range": Value(str, _TEXT, "One range of bytes; where there are several all is sent."),
    "If-Range": Value(str, _TEXT, "The ETag of which the range is; of another one all is sent."),
    "If-None-Match": Value(str, _TEXT, "ETags that need not be sent again."),
}


class _Payload(Resource):
    """What the payloads of a result share."""

    def send(self, id: int, name: str) -> Any:
        """The answer that holds a payload, or the part of it that the request asks for."""
        result = self.load(Operation.VIEW, Result, id)
        found = kept(result, name)
        if found is None:
            raise NotFound(f"Result {id} has no {name}")
        headers = _headers(found)
        if request.if_none_match.contains(found.digest):
            answer = Response(status=304, headers=headers)
            del answer.headers["Content-Type"]
            return answer
        start, stop = _range(found)
        if (start, stop) != (0, found.size):
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{found.size}"
        response = self._response(found, start, stop)
        response.status_code = 206 if "Content-Range" in headers else 200
        response.headers.update(headers)
        response.content_length = stop - start
        return response

    def _response(self, found: Kept, start: int, stop: int) -> Response:
        kind = "application/octet-stream"
        if request.method == "HEAD":
            return Response(b"", mimetype=kind)
        if found.name is None:
            return Response(found.text[start:stop], mimetype=kind)
        # Of a file our server lets the system send as many bytes as are announced; what others do
        # is not known.
        is_ours = request.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn")
        file = self.payloads.store.open(found.name, start) if is_ours else None
        if file is None:
            pieces = self.payloads.store.read(found.name, start, stop - start)
            # What is not there is told of while that can still be said.
            first = next(pieces, b"")
            return Response(chain([first], pieces), mimetype=kind)
        wrapped: Any = wrap_file(request.environ, file, PIECE)  # type: ignore[arg-type]
        return Response(wrapped, mimetype=kind, direct_passthrough=True)


class InputOfResult(_Payload):
    """The input of a run."""

    route = "/result/<id>/input"

    @contract(gives_bytes=True, takes_headers=TAKES, headers=HEADERS)
    def get(self, id: int) -> Any:
        """Send the input of a run, as it was stored."""
        return self.send(id, "input")


class OutputOfResult(_Payload):
    """What came out of a run."""

    route = "/result/<id>/output"

    @contract(gives_bytes=True, takes_headers=TAKES, headers=HEADERS)
    def get(self, id: int) -> Any:
        """Send what came out of a run, as it was stored."""
        return self.send(id, "result")


def _headers(found: Kept) -> dict[str, str]:
    digest = b64encode(bytes.fromhex(found.digest)).decode()
    return {
        "ETag": f'"{found.digest}"',
        "Repr-Digest": f"sha-256=:{digest}:",
        "Accept-Ranges": "bytes",
    }


def _range(found: Kept) -> tuple[int, int]:
    """Which bytes are asked for: one range, or all."""
    asked, wanted = request.range, request.if_range
    is_of_another = wanted.etag not in (None, found.digest) or wanted.date is not None
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1 or is_of_another:
        return 0, found.size
    part = asked.range_for_length(found.size)
    if part is None or None in part:
        raise NoSuchRange(
            f"There are {found.size} bytes", headers={"Content-Range": f"bytes */{found.size}"}
        )
    start, stop = part
    return start, stop
