"""What the node asks the server, and what it tells it."""

import itertools
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from vantage6.common import jwt
from vantage6.common.client.ability import Ability, Uploads
from vantage6.common.client.connection import Connection
from vantage6.common.client.download import ROUTES, Download, Stored
from vantage6.common.client.large import LargeJson, Letters
from vantage6.common.client.transport import (
    CONNECT_TIMEOUT,
    READ_TIMEOUT,
    Session,
    Transport,
    decoded,
)
from vantage6.common.client.upload import begin, proceed
from vantage6.common.exceptions import (
    AuthenticationException,
    Forbidden,
    NotFound,
    ServerError,
    Unauthorized,
)
from vantage6.common.letter import Letter
from vantage6.common.partners import Shown
from vantage6.common.sealed import Sealed
from vantage6.common.task_status import TaskStatus
from vantage6.common.wire import INLINE
from vantage6.node.assignment import Assignment, Report

_PAGE = 100
# Characters of a result from which on it is sent piece by piece
_LARGE = 2**20
_KEY_SECONDS = 60.0
# Seconds without progress after which a large payload is left to the next attempt
_PATIENCE = 15.0
# Renewed before it ends, so that no connection is opened with a token about to end.
_TOKEN_MARGIN = 60.0

log = logging.getLogger(__name__)


class ApiKeyRefused(AuthenticationException):
    """The server does not know our API key."""


@dataclass(frozen=True)
class Identity:
    """Who this node is, in the eyes of the server."""

    node_id: int
    name: str
    organization_id: int
    organization_name: str
    public_key: str
    collaboration_id: int
    encrypted: bool
    capabilities: str = ""

    def __str__(self) -> str:
        mode = "encrypted" if self.encrypted else "not encrypted"
        return (
            f"node {self.name!r} of {self.organization_name!r} "
            f"in collaboration {self.collaboration_id} ({mode})"
        )


class Server:
    """The server as the node sees it; safe to use from several threads.

    Nothing here repeats a call, but for one that an expired token spoiled: what must not be
    lost is repeated by the daemon, which knows when to stop.

    Parameters
    ----------
    url : str
        Scheme, name and port.
    api_path : str
        Where the API starts below it.
    api_key : str
    session : Session, optional
        In place of one of our own.
    connection : Connection, optional
        Over which proxy it is reached, and whom to trust.
    claim : str
        By which name this process claims runs; none for one that runs nothing.
    """

    def __init__(
        self,
        url: str,
        api_path: str,
        api_key: str,
        session: Session | None = None,
        connection: Connection | None = None,
        claim: str = "",
    ) -> None:
        self.url, self.claim = url, claim
        self._knows_claims = True
        # Whether the server gives runs by `take`; then nothing needs to be claimed one by one.
        self.gives = False
        # Runs that we were given and did not understand: they would be given again and again.
        self._strange: set[int] = set()
        self._connection = connection or Connection()
        self._session: Any = session or self._new_session()
        self._transport = Transport(url + api_path, self._session)
        self._api_key = api_key
        self._token = self._refresh_token = ""
        self._renewing = threading.Lock()
        self._ability = Ability(lambda: self.call("get", "version"))
        self._collaboration_id: int | None = None
        self._organizations: dict[int, tuple[float, Shown]] = {}

    @property
    def address(self) -> str:
        """Address of the API."""
        return self._transport.base_url

    # Who we are

    def greet(self) -> tuple[str, str | None]:
        """The version of the server and the time that it has, without a log-in.

        Raises
        ------
        ServerUnreachable, ServerError
            When the server cannot be asked now, or is none.
        """
        answer: Any = self._transport.get("version")
        is_other = answer.status_code == HTTPStatus.NOT_FOUND
        body = None if is_other else decoded(answer)
        if not isinstance(body, dict) or "version" not in body:
            raise ServerError(
                answer.status_code,
                f"What answers at {self._transport.base_url} is not a server of vantage6",
            )
        return str(body["version"]), answer.headers.get("Date")

    def log_in(self) -> Identity:
        """Show the API key and learn who we are.

        Raises
        ------
        ApiKeyRefused
            When the server does not know the key.
        ServerUnreachable, ServerError
            When the server cannot be asked now.
        """
        self._authenticate()
        self.gives = bool(self.claim) and self._says("take")
        node = self.call("get", f"node/{jwt.subject(self._token)}")
        if not node["collaboration"]:
            raise AuthenticationException("This node does not belong to a collaboration any more")
        organization = self.call("get", f"organization/{node['organization']['id']}")
        self._collaboration_id = int(node["collaboration"]["id"])
        path = f"collaboration/{self._collaboration_id}"
        collaboration = self.call("get", path, params={"exclude": "tasks"})
        return Identity(
            node_id=node["id"],
            name=node["name"],
            organization_id=organization["id"],
            organization_name=organization["name"],
            public_key=organization["public_key"] or "",
            collaboration_id=collaboration["id"],
            encrypted=bool(collaboration["encrypted"]),
            capabilities=organization.get("capabilities") or "",
        )

    def seen_as(self) -> str:
        """How the server sees this node: `online` or `offline`; raises as `log_in` does."""
        self._authenticate()
        return self.call("get", f"node/{jwt.subject(self._token)}")["status"] or "offline"

    def fresh_token(self) -> str:
        """An access token that does not end in the next moments."""
        expires = jwt.unverified_claims(self._token).get("exp", float("inf"))
        if expires < time.time() + _TOKEN_MARGIN:
            self.renew_token(self._token)
        return self._token

    def renew_token(self, stale: str) -> None:
        """Replace a token that is no longer good, unless another thread just did."""
        with self._renewing:
            if self._token != stale:
                return
            try:
                reply = self._transport.call("post", "token/refresh", token=self._refresh_token)
                self._take_tokens(reply)
            except ServerError as error:
                # Servers of the classic line answer 422 for tokens of an older secret.
                if error.status not in (400, 401, 403, 422):
                    raise
                log.info("The refresh token is no longer accepted; logging in again")
                self._authenticate()

    def set_public_key(self, organization_id: int, public_key: str) -> None:
        """Make the public key of our organization known to everybody."""
        self.call("patch", f"organization/{organization_id}", json={"public_key": public_key})

    def set_capabilities(self, organization_id: int, statement: str) -> None:
        """Let everybody know what our organization says it can read."""
        body = {"capabilities": statement}
        self.call("patch", f"organization/{organization_id}", json=body)

    def is_encrypted(self, collaboration_id: int) -> bool:
        """Whether a collaboration is encrypted now."""
        path = f"collaboration/{collaboration_id}"
        return bool(self.call("get", path, params={"exclude": "tasks"})["encrypted"])

    # Runs

    def open_runs(self, node_id: int, task_id: int | None = None) -> list[Assignment]:
        """What the server expects of us, oldest first; of one task or of all."""
        query: dict[str, Any] = {"state": "open", "include": "task", "node_id": node_id}
        query |= self.large_elsewhere()
        if task_id is not None:
            query["task_id"] = task_id
        runs = map(_assignment, self._pages("result", query))
        by_id = {run.result_id: run for run in runs if run is not None}
        return [by_id[id_] for id_ in sorted(by_id)]

    def take(
        self, limit: int, held: Collection[int], *, only_subtasks: bool = False
    ) -> list[Assignment]:
        """Be given open runs that no other process has, claimed and with all that they need.

        Parameters
        ----------
        limit : int
            How many at most.
        held : collection of int
            The runs that we have. Others that we have claimed are given again: an answer with
            them was lost, or an earlier process of ours ended before it could note them.
        only_subtasks : bool
            Whether only those are wanted that another run has asked for.
        """
        known = sorted({*held, *self._strange})
        body = {"claim": self.claim, "limit": min(limit, _PAGE), "held": known}
        if only_subtasks:
            body["only_subtasks"] = True
        rows = self.call("post", "claim/take", json=body)
        runs = [run for row in rows if (run := _assignment(row)) is not None]
        given = {id_ for row in rows if (id_ := _number(row)) is not None}
        self._strange |= given.difference(run.result_id for run in runs)
        return runs

    def begun_runs(self, node_id: int) -> dict[int, str]:
        """The open runs of this node that a process has claimed, and which."""
        rows = self._pages("result", {"state": "claimed", "node_id": node_id})
        return {row["id"]: row["claim"] or "" for row in rows}

    def wants(self, result_id: int) -> bool:
        """Whether the server still waits for a report on this run."""
        try:
            return self.call("get", f"result/{result_id}")["finished_at"] is None
        except (NotFound, Forbidden):
            # Our server tells nobody but administrators that something is not there.
            return False

    def container_token(self, task_id: int, image: str) -> str:
        """A token for the container of a run."""
        body = {"task_id": task_id, "image": image}
        return str(self.call("post", "token/container", json=body)["container_token"])

    def organization(self, organization_id: int, collaboration_id: int) -> Shown:
        """How the server shows an organization, at most a minute old where it has a key.

        One call brings those of the whole collaboration, since a central algorithm is about
        to need them all. That there is no key is not remembered: it may come any moment.
        """
        known = self._organizations.get(organization_id)
        if known and known[0] > time.monotonic():
            return known[1]
        members = self.call("get", f"collaboration/{collaboration_id}/organization")
        if all(member["id"] != organization_id for member in members):
            members = [self.call("get", f"organization/{organization_id}")]
        until = time.monotonic() + _KEY_SECONDS
        shown = {member["id"]: Shown.from_wire(member) for member in members}
        self._organizations |= {id_: (until, one) for id_, one in shown.items() if one.public_key}
        return shown[organization_id]

    # Claims: which process of this node has a run. Servers of the classic line know of none.

    def keep_claims(self, *, take_over: bool = False) -> None:
        """Keep the runs that we have claimed for another while.

        Parameters
        ----------
        take_over : bool
            Take those of all other processes of this node as well.
        """
        if not self.claim:
            return
        try:
            self.call("post", "claim", json={"claim": self.claim, "take_over": take_over})
            self._knows_claims = True
        except ServerError as error:
            if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
                raise
            self._knows_claims = False

    def claim_run(self, result_id: int) -> None:
        """Have a run for this process alone; ServerError 409 when another one has it."""
        if self._claim():
            self._report(result_id, {})

    def killed_runs(self, node_id: int) -> list[int]:
        """The runs of this node that were killed, and that may still be here."""
        if not self._claim():
            return []
        query = {"state": "stopping", "node_id": node_id}
        return [int(run["id"]) for run in self._pages("result", query)]

    def confirm_stop(self, result_id: int) -> None:
        """Tell that nothing is left here of a run that was killed."""
        if self._claim():
            self._report(result_id, {"stopped": True})

    def tell_progress(
        self, result_id: int, status: TaskStatus, started_at: str | None = None
    ) -> None:
        """Tell how far a run is; the report tells it again, so this may be lost."""
        body = {"status": status.value}
        if started_at:
            body["started_at"] = started_at
        self._report(result_id, body)

    def deliver(
        self, result_id: int, report: Report, result: Letters, upload_id: int | None = None
    ) -> None:
        """Tell how a run ended, with its encrypted or encoded result, or where that was sent."""
        body = {
            "status": report.status.value,
            "finished_at": report.finished_at,
            "log": report.log,
        }
        if report.started_at:
            body["started_at"] = report.started_at
        if upload_id is None:
            self._report(result_id, body, result, read_timeout=4 * READ_TIMEOUT)
        else:
            self._report(result_id, {**body, "result_upload": upload_id})

    # Large payloads. Servers of the classic line know of none.

    def uploads(self) -> Uploads | None:
        """What the server says of large payloads; None where it has no room of their own."""
        return self._ability.uploads() if self._transport.can_stream else None

    def begin_upload(self, sealed: Sealed, token: str | None = None) -> int:
        """Announce a payload, or that of an algorithm by its token; the id of the upload."""
        if self._collaboration_id is None:
            self.log_in()
        assert self._collaboration_id is not None
        return begin(self._caller(token), sealed, self._collaboration_id)

    def send_upload(self, upload_id: int, sealed: Sealed, token: str | None = None) -> None:
        """Send what the server does not have yet of a payload; raises as `proceed`."""
        proceed(self._caller(token), upload_id, sealed, patience=_PATIENCE)

    def delete_upload(self, upload_id: int, token: str | None = None) -> None:
        """Give an upload up."""
        self._caller(token)("delete", f"upload/{upload_id}")

    @contextmanager
    def payload(
        self, result_id: int, field: str, stored: Stored, token: str | None = None
    ) -> Iterator[Letter]:
        """The `input` or the `result` of a run as it comes out of the payload store.

        Parameters
        ----------
        result_id : int
        field : {"input", "result"}
        stored : Stored
        token : str, optional
            That of an algorithm, in whose name it is fetched.
        """
        path = f"result/{result_id}/{ROUTES[field]}"

        def open_(headers: Mapping[str, str]) -> Any:
            return self._open(path, headers, token)

        with Download(open_, stored, patience=_PATIENCE) as download:
            yield Letter(download, stored.form)

    def large_elsewhere(self) -> dict[str, int]:
        """What asks the server not to show large payloads inline."""
        return {"inline": INLINE} if self.uploads() else {}

    # Calls

    def call(self, method: str, endpoint: str, **arguments: Any) -> Any:
        """Make one call as this node and return the decoded body.

        A token that is no longer accepted is renewed once.
        """
        token = self._token
        try:
            return self._transport.call(method, endpoint, token=token, **arguments)
        except Unauthorized:
            self.renew_token(token)
            return self._transport.call(method, endpoint, token=self._token, **arguments)

    def keeps_keys(self) -> bool:
        """Whether it makes a task once that is ordered twice with one idempotency key.

        Raises
        ------
        ServerUnreachable, ServerError
            When it does not say.
        """
        said = self._transport.call("get", "version")
        return isinstance(said, dict) and said.get("idempotency_keys") is True

    def _caller(self, token: str | None) -> Callable[..., Any]:
        """What makes calls as this node, or as an algorithm."""
        return self.call if token is None else partial(self._transport.call, token=token)

    def _open(self, path: str, headers: Mapping[str, str], token: str | None) -> Any:
        if token is not None:
            return self._transport.open(path, token=token, headers=headers)
        mine = self._token
        try:
            return self._transport.open(path, token=mine, headers=headers)
        except Unauthorized:
            self.renew_token(mine)
            return self._transport.open(path, token=self._token, headers=headers)

    def forward(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]],
        headers: Mapping[str, str],
        body: bytes,
        read_timeout: float,
    ) -> requests.Response:
        """Pass on a call of an algorithm, under its own token, whatever the answer is.

        Its content stays with the server until it is read.

        Raises
        ------
        requests.RequestException
            When there is no answer.
        """
        response: requests.Response = self._session.request(
            method,
            f"{self._transport.base_url}/{path.lstrip('/')}",
            params=list(query),
            headers=dict(headers),
            data=body or None,
            timeout=(CONNECT_TIMEOUT, read_timeout),
            stream=True,
        )
        return response

    def socket_session(self) -> requests.Session:
        """A session for one connection of the socket, which goes the same way."""
        return self._connection.session(self.url)

    def close(self) -> None:
        """Let go of the connections."""
        self._transport.close()

    def _new_session(self) -> requests.Session:
        """Connections that are kept open, as many as we have threads that talk at once."""
        session = _Session()
        adapter = HTTPAdapter(pool_connections=4, pool_maxsize=64)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        self._connection.apply(session, self.url)
        return session

    def _claim(self) -> dict[str, str]:
        """What tells the server which process speaks, if it wants to know."""
        return {"claim": self.claim} if self.claim and self._knows_claims else {}

    def _report(
        self,
        result_id: int,
        body: Mapping[str, Any],
        result: Letters | None = None,
        **options: Any,
    ) -> None:
        whole: Any = {**body, **self._claim()}
        if result is not None:
            whole = _with_result(whole, result)
        self.call("patch", f"result/{result_id}", json=whole, unread=True, **options)

    def _says(self, ability: str) -> bool:
        """Whether the server says that it can do something that others of the line cannot."""
        said = decoded(self._transport.get("version"))
        return isinstance(said, dict) and said.get(ability) is True

    def _authenticate(self) -> None:
        try:
            reply = self._transport.call("post", "token/node", json={"api_key": self._api_key})
        except Unauthorized as error:
            raise ApiKeyRefused(
                f"The server at {self.url} does not accept the API key of this node"
            ) from error
        self._take_tokens(reply)

    def _take_tokens(self, reply: Mapping[str, str]) -> None:
        self._token = reply["access_token"]
        self._refresh_token = reply.get("refresh_token", self._refresh_token)

    def _pages(self, endpoint: str, query: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        for page in itertools.count(1):
            params = {**query, "page": page, "per_page": _PAGE}
            rows = self.call("get", endpoint, params=params)
            yield from rows
            if len(rows) < _PAGE:
                return


def _number(result: Any) -> int | None:
    """The number of something that is no run for us."""
    number = result.get("id") if isinstance(result, dict) else None
    return number if type(number) is int else None


def _with_result(body: Mapping[str, Any], result: Letters) -> Any:
    """The body of a report with its result, which is not copied when it is large."""
    if len(result) > _LARGE:
        return LargeJson(body, "result", result)
    return {**body, "result": result.decode("ascii")}


def _assignment(result: dict[str, Any]) -> Assignment | None:
    """What a result asks of us; None, and a line in the log, when that cannot be understood."""
    try:
        return Assignment.from_wire(result)
    except (KeyError, TypeError) as error:
        name = result.get("id") if isinstance(result, dict) else result
        log.error("Result %.100r of the server makes no sense: %r", name, error)
        return None


class _Session(requests.Session):
    """Stays with the server: what an algorithm asks must not lead to other hosts near us."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Follow nothing; the answer is passed on as one that is no success."""
