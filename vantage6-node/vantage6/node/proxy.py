"""The algorithm's only way out: a short list of calls to the server, under its own token.

Inputs of subtasks are encrypted here and results decrypted, so that algorithms need no keys. A
result that cannot be trusted is not handed out: the call that asks for it fails with the reason.
Every run has a door of its own, which takes the token of that run and no other.
"""

import hmac
import json
import logging
import re
import sqlite3
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests
from urllib3.exceptions import NewConnectionError

from vantage6.common.client.large import body_of
from vantage6.common.client.transport import READ_TIMEOUT
from vantage6.common.exceptions import (
    EncryptionError,
    ServerError,
    ServerUnreachable,
    ServiceUnavailable,
)
from vantage6.common.retry import Patience
from vantage6.common.text import base64s_to_bytes
from vantage6.common.wire import IDEMPOTENCY_KEY, IDEMPOTENCY_REPEATED, SMALL
from vantage6.node.agreement import Disagreement
from vantage6.node.answers import Opening
from vantage6.node.audit import AuditUnavailable
from vantage6.node.audit.runs import RunAudit
from vantage6.node.door import Answer, Call, Door
from vantage6.node.envelopes import Envelopes
from vantage6.node.server import Server
from vantage6.node.subtasks import Incoming, Outgoing, TooMuch

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
_WORD = re.compile(r"[!-~]{1,255}")
# A result that the server has, but does not show
_STORED = re.compile(rb'"result_stored":\s*\{')
# What stands in front of a server says it where the server is away.
_AWAY = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)

# In a task for a thousand organizations there are some thousands.
_MOST_VALUES = 100_000
# Also one without an end: each start is looked at once.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)

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
    envelopes : Envelopes
        Those of the node.
    audit : RunAudit
        No subtask leaves before its line is written.
    folder : Path
        On whose disk large results are on their way to algorithms; nothing is left there.
    largest_answer : int
        The most bytes of large results in one answer.
    """

    def __init__(
        self,
        server: Server,
        envelopes: Envelopes,
        audit: RunAudit,
        folder: Path,
        largest_answer: int = 4 * 2**30,
    ) -> None:
        self._server, self._envelopes, self._audit = server, envelopes, audit
        self._folder, self._largest_answer = folder, largest_answer
        self._doors: dict[int, Door] = {}
        self._closing = threading.Event()

    def admit(self, result_id: int, folder: Path, token: str) -> None:
        """Listen in the sandbox of a run for calls under its token."""
        self.dismiss(result_id)
        self._doors[result_id] = Door(folder, lambda call: self.answer(call, token, result_id))

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

    def answer(self, call: Call, token: str, result_id: int) -> Answer:
        """The answer to one call of the container of a run, which was given `token`."""
        path = call.path.strip("/")
        try:
            _check_allowed(call, path, token)
            if call.method == "POST":
                answer = self._create_task(call, path, result_id, token)
            else:
                call = self._without_large(call, path)
                answer = self._opened(call, path, self._forward(call, path), token)
                answer = _with_promise(answer) if path == _WITHOUT_TOKEN else answer
        except Refusal as refusal:
            answer = Answer(refusal.status, json.dumps({"msg": str(refusal)}).encode())
        log.debug("%s /%s: %d", call.method, path, answer.status)
        return answer

    # There

    def _forward(self, call: Call, path: str, body: bytes = b"", key: str = "") -> Answer:
        headers = {"Authorization": call.headers.get("authorization", "")}
        if body:
            headers |= {"Content-Type": "application/json", IDEMPOTENCY_KEY: key}

        def send() -> requests.Response:
            response = self._server.forward(
                call.method,
                path,
                query=call.query,
                headers=headers,
                body=body,
                read_timeout=READ_TIMEOUT + _wait(call),
            )
            if not call.reserve(_size(response)):
                response.close()
                raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "One large answer at a time")
            response.content  # noqa: B018 - read now, while the call may be repeated
            return response

        response = self._patiently(send, is_order=bool(body))
        passed = {
            name: response.headers[name] for name in _PASSED_HEADERS if name in response.headers
        }
        return Answer(response.status_code, response.content, passed)

    def _patiently(
        self, send: Callable[[], requests.Response], *, is_order: bool
    ) -> requests.Response:
        """Repeat what may be repeated: a task only where the server knows an order again."""
        patience = Patience(_PATIENCE, first=0.2, limit=5, sleep=self._closing.wait)
        lost = False
        while True:
            try:
                response = send()
                # The classic tools do not repeat their questions: they end the algorithm.
                is_away = response.status_code in _AWAY
                again = is_away and (not is_order or self._keeps_keys(patience))
                if not (again and patience.wait()):
                    return response
                response.close()
            except requests.exceptions.RequestException as error:
                lost = lost or not _never_arrived(error)
                again = not (is_order and lost) or self._keeps_keys(patience)
                if not (again and patience.wait()):
                    log.warning("The server did not answer an algorithm: %s", error)
                    raise Refusal(
                        HTTPStatus.SERVICE_UNAVAILABLE, "The server does not answer the node"
                    ) from error

    def _keeps_keys(self, patience: Patience) -> bool:
        """Whether the server knows an order again; asked until it says something."""
        while True:
            try:
                return self._server.keeps_keys()
            except (ServerUnreachable, ServiceUnavailable):
                if not patience.wait():
                    return False
            except ServerError as error:
                log.debug("The server does not say what it can do: %s", error)
                return False

    def _without_large(self, call: Call, path: str) -> Call:
        """The call, which asks the server not to show what we fetch in another way."""
        if not _WITH_RESULTS.fullmatch(path):
            return call
        with _explained():
            more = self._server.large_elsewhere()
        query = [(name, value) for name, value in call.query if name not in more]
        return replace(call, query=[*query, *((name, str(value)) for name, value in more.items())])

    def _create_task(self, call: Call, path: str, result_id: int, token: str) -> Answer:
        """Pass on a new task, with each input sealed for its organization."""
        task = _read_task(call.body)
        self._note_leaving(task, result_id)
        outgoing = Outgoing(self._server, self._envelopes, token)
        try:
            with _explained():
                self._envelopes.check()
                sealed = [self._sealed(task, entry, outgoing) for entry in task["organizations"]]
        except Refusal:
            outgoing.take_back()
            raise
        task["organizations"] = [entry for entry, _ in sealed]
        answer = self._forward(call, path, json.dumps(task).encode(), _key(call))
        # What the server has of a repeated order may be what was sealed the first time.
        # A container that heard nothing says so; another process may have asked before.
        is_first = IDEMPOTENCY_REPEATED.lower() not in call.headers
        if not (is_first and answer.status == HTTPStatus.CREATED) and answer.status not in _AWAY:
            outgoing.take_back()
        if self._envelopes.encrypts and answer.status == HTTPStatus.CREATED and is_first:
            self._note_sent([(entry["id"], sent) for entry, sent in sealed], answer)
        return answer

    def _note_leaving(self, task: dict[str, Any], result_id: int) -> None:
        try:
            self._audit.subtask(result_id, str(task.get("image") or ""), task["organizations"])
        except AuditUnavailable as error:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error

    def _sealed(
        self, task: dict[str, Any], entry: Any, outgoing: Outgoing
    ) -> tuple[dict[str, Any], Any]:
        """The entry of an organization as the server gets it, and what was sealed for it."""
        if not self._envelopes.encrypts:
            return self._in_plain(task, entry, outgoing), None
        try:
            organization_id, input_ = int(entry["id"]), base64s_to_bytes(entry["input"] or "")
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise Refusal(
                HTTPStatus.BAD_REQUEST,
                "Each of the organizations needs an `id` and an `input` in base64",
            ) from error
        try:
            image = str(task.get("image") or "")
            if uploaded := outgoing.send(organization_id, image, input_):
                others = {name: value for name, value in entry.items() if name != "input"}
                entry = {**others, "id": organization_id, "input_upload": uploaded[0]}
                return entry, uploaded[1]
            sealed = self._envelopes.seal_input(organization_id, image, input_)
        except Disagreement:
            raise
        except EncryptionError as error:
            raise Refusal(
                HTTPStatus.BAD_REQUEST,
                f"Nothing can be encrypted for organization {organization_id}: {error}",
            ) from error
        return {**entry, "id": organization_id, "input": sealed}, sealed

    def _in_plain(self, task: dict[str, Any], entry: Any, outgoing: Outgoing) -> Any:
        """The entry of an organization; what is no base64 stays as the algorithm wrote it."""
        text = entry.get("input") if isinstance(entry, dict) else None
        if not isinstance(text, str) or len(text) <= SMALL or not isinstance(entry.get("id"), int):
            return entry
        try:
            data = base64s_to_bytes(text)
        except ValueError:
            return entry
        uploaded = outgoing.send(entry["id"], str(task.get("image") or ""), data)
        if uploaded is None:
            return entry
        others = {name: value for name, value in entry.items() if name != "input"}
        return {**others, "input_upload": uploaded[0]}

    def _note_sent(self, inputs: Sequence[tuple[int, Any]], answer: Answer) -> None:
        """Remember what the results have to answer; without it the server is asked to show it."""
        try:
            task_id = json.loads(_held(answer))["id"]
            self._envelopes.note_sent(task_id, inputs)
        except (ValueError, TypeError, KeyError, RecursionError, sqlite3.Error) as error:
            log.warning("The inputs of a subtask could not be noted: %s", error)

    # And back

    def _opened(self, call: Call, path: str, answer: Answer, token: str) -> Answer:
        if not _WITH_RESULTS.fullmatch(path) or answer.status != HTTPStatus.OK:
            return answer
        if not self._envelopes.encrypts and not _STORED.search(_held(answer)):
            return answer
        try:
            content = json.loads(_held(answer))
        except (ValueError, RecursionError):
            return answer
        incoming = Incoming(
            self._server,
            self._envelopes,
            self._folder,
            self._largest_answer,
            token,
            call.reserve,
            call.later,
        )
        open_result = self._envelopes.open_result if self._envelopes.encrypts else None
        with _explained():
            Opening(open_result, incoming).open_all(content, *_asked_for(call, path))
        return Answer(
            answer.status, body_of(content) or json.dumps(content).encode(), answer.headers
        )


def _held(answer: Answer) -> bytes:
    """The body of an answer of the server, which is in memory."""
    assert isinstance(answer.body, bytes)
    return answer.body


def _key(call: Call) -> str:
    """The word of an order: the container's own, where it has one that can be passed on."""
    key = call.headers.get(IDEMPOTENCY_KEY.lower(), "")
    return key if _WORD.fullmatch(key) else str(uuid.uuid4())


def _with_promise(answer: Answer) -> Answer:
    """What a server says of itself; where it keeps the words of orders, that we pass them on."""
    try:
        said = json.loads(_held(answer))
        if not said.get("idempotency_keys"):
            return answer
    except (ValueError, AttributeError, RecursionError):
        return answer
    body = json.dumps({**said, "repeatable_subtasks": True}).encode()
    return Answer(answer.status, body, answer.headers)


def _read_task(body: bytes) -> dict[str, Any]:
    """A new task as a container asks for it."""
    if _values(body) > _MOST_VALUES:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "A task has not that many values")
    try:
        task = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, "The body is not JSON") from error
    organizations = task.get("organizations") if isinstance(task, dict) else None
    if not isinstance(organizations, list) or not organizations:
        raise Refusal(HTTPStatus.BAD_REQUEST, "Organizations missing from input")
    return dict(task)


def _values(body: bytes) -> int:
    """How many values a text of JSON has at most; each takes far more memory than its letters."""
    if _signs(body) <= _MOST_VALUES:
        return _signs(body)
    return _signs(_STRING.sub(b"", body))


def _signs(body: bytes) -> int:
    return sum(map(body.count, (b",", b"[", b"{")))


def _asked_for(call: Call, path: str) -> tuple[int | None, int | None]:
    """The ids of the task and the result that were asked for, where it was one."""
    kind, _, rest = path.partition("/")
    number = int(rest.partition("/")[0]) if rest else None
    if kind == "result" and number is None:
        of_task = dict(call.query).get("task_id", "")
        return (int(of_task) if of_task.isdecimal() else None), None
    return (None, number) if kind == "result" else (number, None)


@contextmanager
def _explained() -> Iterator[None]:
    """Tell the algorithm why nothing can be sealed, or what it asks for cannot be handed out."""
    try:
        yield
    except Disagreement as error:
        raise Refusal(HTTPStatus.CONFLICT, str(error)) from error
    except TooMuch as error:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error)) from error
    except OSError as error:
        log.error("A large result could not be kept: %s", error)
        raise Refusal(
            HTTPStatus.INSUFFICIENT_STORAGE, "The node has no room for a large result now"
        ) from error
    except EncryptionError as error:
        # Not one of those that clients take for a server that is away.
        log.error("%s", error)
        raise Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, str(error)) from error
    except ServerError as error:
        raise Refusal(error.status, str(error)) from error
    except ServerUnreachable as error:
        raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error


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


def _size(response: requests.Response) -> int:
    """How many bytes an answer has, which are not here yet; more than any where nobody says."""
    length = response.headers.get("Content-Length", "")
    is_said = length.isdecimal() and "Content-Encoding" not in response.headers
    return int(length) if is_said else sys.maxsize


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
