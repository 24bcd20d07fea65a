"""The algorithm's only way out: a short list of calls to the server, under its own token.

Inputs of subtasks are encrypted here and results decrypted, so that algorithms need no keys.
Every run has a door of its own, which takes the token of that run and no other.
"""

import hmac
import json
import logging
import re
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests
from urllib3.exceptions import NewConnectionError

from vantage6.common.client.transport import READ_TIMEOUT
from vantage6.common.encryption import DummyCryptor, RSACryptor
from vantage6.common.exceptions import EncryptionError, ServerError, ServerUnreachable
from vantage6.common.retry import Backoff
from vantage6.common.text import base64s_to_bytes, bytes_to_base64s
from vantage6.node.door import Answer, Call, Door
from vantage6.node.server import Server

_TASK = "task"
_ID = "[0-9]+"
_ALLOWED = {
    "GET": (
        "version",
        "organization",
        f"organization/{_ID}",
        f"collaboration/{_ID}",
        f"collaboration/{_ID}/organization",
        f"node/{_ID}",
        _TASK,
        f"task/{_ID}",
        f"task/{_ID}/result",
        "result",
        f"result/{_ID}",
        "port",
        f"port/{_ID}",
    ),
    "POST": (_TASK,),
}
_ROUTES = {method: re.compile("|".join(paths)) for method, paths in _ALLOWED.items()}
_WITH_RESULTS = re.compile(rf"task|result|task/{_ID}|result/{_ID}|task/{_ID}/result")
_WITHOUT_TOKEN = "version"
_PASSED_HEADERS = ("Content-Type", "Link", "total-count")

# Seconds for which a server may be asked to hold its answer back.
_LONGEST_WAIT = 60.0
# How long an algorithm is kept waiting for a server that does not answer.
_PATIENCE = 30.0

log = logging.getLogger(__name__)


class Refusal(Exception):
    """The proxy itself answers, with a reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Proxy:
    """Opens and closes the doors of runs.

    Parameters
    ----------
    server : Server
    cryptor : RSACryptor or DummyCryptor
        That of our organization.
    collaboration_id : int
        The one that subtasks are created in.
    """

    def __init__(
        self, server: Server, cryptor: RSACryptor | DummyCryptor, collaboration_id: int
    ) -> None:
        self._server, self._cryptor = server, cryptor
        self._collaboration_id = collaboration_id
        self._doors: dict[int, Door] = {}
        self._closing = threading.Event()

    def admit(self, result_id: int, folder: Path, token: str) -> None:
        """Listen in the sandbox of a run for calls under its token."""
        self.dismiss(result_id)
        self._doors[result_id] = Door(folder, lambda call: self.answer(call, token))

    def dismiss(self, result_id: int) -> None:
        """The run has ended: nothing is accepted from its sandbox any more."""
        door = self._doors.pop(result_id, None)
        if door:
            door.close()

    def close(self) -> None:
        """Close all doors."""
        self._closing.set()
        for result_id in list(self._doors):
            self.dismiss(result_id)

    def answer(self, call: Call, token: str) -> Answer:
        """The answer to one call of the container that was given `token`."""
        path = call.path.strip("/")
        try:
            _check_allowed(call, path, token)
            if call.method == "POST":
                answer = self._forward(call, path, self._encrypted(call.body))
            else:
                answer = self._decrypted(path, self._forward(call, path, b""))
        except Refusal as refusal:
            answer = Answer(refusal.status, json.dumps({"msg": str(refusal)}).encode())
        log.debug("%s /%s: %d", call.method, path, answer.status)
        return answer

    # There

    def _forward(self, call: Call, path: str, body: bytes) -> Answer:
        headers = {"Authorization": call.headers.get("authorization", "")}
        if body:
            headers["Content-Type"] = "application/json"

        def send() -> requests.Response:
            return self._server.forward(
                call.method,
                path,
                query=call.query,
                headers=headers,
                body=body,
                read_timeout=READ_TIMEOUT + _wait(call),
            )

        response = self._patiently(send, repeatable=call.method == "GET")
        passed = {
            name: response.headers[name] for name in _PASSED_HEADERS if name in response.headers
        }
        return Answer(response.status_code, response.content, passed)

    def _patiently(
        self, send: Callable[[], requests.Response], repeatable: bool
    ) -> requests.Response:
        """Repeat what may be repeated: a task that was perhaps created may not."""
        end, backoff = time.monotonic() + _PATIENCE, Backoff(first=0.2, limit=5)
        while True:
            try:
                return send()
            except requests.exceptions.RequestException as error:
                again = repeatable or _never_arrived(error)
                if not again or time.monotonic() > end or self._closing.wait(backoff.pause()):
                    log.warning("The server did not answer an algorithm: %s", error)
                    raise Refusal(
                        HTTPStatus.SERVICE_UNAVAILABLE, "The server does not answer the node"
                    ) from error

    def _encrypted(self, body: bytes) -> bytes:
        """The body of a new task with each input encrypted for its organization."""
        try:
            task = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, "The body is not JSON") from error
        organizations = task.get("organizations") if isinstance(task, dict) else None
        if not isinstance(organizations, list) or not organizations:
            raise Refusal(HTTPStatus.BAD_REQUEST, "Organizations missing from input")
        if isinstance(self._cryptor, DummyCryptor):
            return body
        task["organizations"] = [self._encrypted_entry(entry) for entry in organizations]
        return json.dumps(task).encode()

    def _encrypted_entry(self, entry: Any) -> dict[str, Any]:
        try:
            organization_id, input_ = int(entry["id"]), base64s_to_bytes(entry["input"] or "")
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise Refusal(
                HTTPStatus.BAD_REQUEST,
                "Each of the organizations needs an `id` and an `input` in base64",
            ) from error
        try:
            key = self._server.public_key(organization_id, self._collaboration_id)
            return {**entry, "input": self._cryptor.encrypt_bytes_to_str(input_, key)}
        except EncryptionError as error:
            raise Refusal(
                HTTPStatus.BAD_REQUEST,
                f"Nothing can be encrypted for organization {organization_id}: {error}",
            ) from error
        except ServerError as error:
            raise Refusal(error.status, str(error)) from error
        except ServerUnreachable as error:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error

    # And back

    def _decrypted(self, path: str, answer: Answer) -> Answer:
        if isinstance(self._cryptor, DummyCryptor) or not _WITH_RESULTS.fullmatch(path):
            return answer
        if answer.status != HTTPStatus.OK:
            return answer
        try:
            content = json.loads(answer.body)
        except (ValueError, RecursionError):
            return answer
        self._decrypt_results(content)
        return Answer(answer.status, json.dumps(content).encode(), answer.headers)

    def _decrypt_results(self, content: Any) -> None:
        """Decrypt `result` wherever results stand: alone, in lists, pages, and inside tasks."""
        if isinstance(content, list):
            for item in content:
                self._decrypt_results(item)
        elif isinstance(content, dict):
            for name in ("data", "results"):
                self._decrypt_results(content.get(name))
            if isinstance(content.get("result"), str) and content["result"]:
                content["result"] = self._decrypted_text(content["result"])

    def _decrypted_text(self, text: str) -> str:
        try:
            return bytes_to_base64s(self._cryptor.decrypt_str_to_bytes(text))
        except EncryptionError as error:
            # a result that was made for another organization
            log.debug("A result is passed on as it is: %s", error)
            return text


def _check_allowed(call: Call, path: str, token: str) -> None:
    route = _ROUTES.get(call.method)
    if route is None or not route.fullmatch(path):
        raise Refusal(
            HTTPStatus.FORBIDDEN, f"An algorithm may not call {call.method} /{path} of the server"
        )
    shown = call.headers.get("authorization", "")
    if not shown and path == _WITHOUT_TOKEN:
        return
    if not hmac.compare_digest(shown.encode(), f"Bearer {token}".encode()):
        raise Refusal(HTTPStatus.UNAUTHORIZED, "This is not the token of this run")


def _wait(call: Call) -> float:
    """The seconds for which the server is asked to hold its answer back."""
    try:
        return min(max(0.0, float(dict(call.query).get("wait", 0))), _LONGEST_WAIT)
    except ValueError:
        return 0.0


def _never_arrived(error: requests.exceptions.RequestException) -> bool:
    """Whether no connection was made, so that the server cannot have heard of the call."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)
