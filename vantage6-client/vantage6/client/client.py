"""The client of people: log in, then ask through the sub-clients."""

import logging
from pathlib import Path
from typing import Any, cast

from vantage6.client.ordering import order_task
from vantage6.client.profile import Profile
from vantage6.client.subclients.collaboration import CollaborationSubClient
from vantage6.client.subclients.node import NodeSubClient
from vantage6.client.subclients.organization import OrganizationSubClient
from vantage6.client.subclients.result import ResultSubClient
from vantage6.client.subclients.role import RoleSubClient
from vantage6.client.subclients.rule import RuleSubClient
from vantage6.client.subclients.task import TaskSubClient
from vantage6.client.subclients.user import UserSubClient
from vantage6.client.subclients.util import UtilSubClient
from vantage6.client.transfer import Transfers
from vantage6.client.waiting import wait_for_task
from vantage6.common import __version__
from vantage6.common.client.base import ClientBase, WhoAmI
from vantage6.common.client.connection import Connection
from vantage6.common.client.transport import Session
from vantage6.common.exceptions import AuthenticationException, ServerError, ServiceUnavailable

__all__ = ["Client", "UserClient"]


class UserClient(ClientBase):
    """Talks to a server as a user of it.

    Parameters
    ----------
    host : str
        Scheme and name of the server, such as `https://server.example`.
    port : int, optional
        Without one, the port of the scheme.
    path : str
        Where the API starts.
    verbose : bool
        Whether to print what the client does.
    allow_pickle : bool
        Whether to read results that are pickles. Reading one runs what its sender put into
        it, so only for partners that you would let run programs on this machine.
    raise_errors : bool
        Whether a refusal of the server is raised (as a `ServerError`) instead of returned as
        `{"msg": ...}`, the classic way.
    session : Session, optional
        In place of a `requests.Session` of our own.
    pins_file : Path or str, optional
        Where the public keys of other organizations are pinned. Else what the variable
        `VANTAGE6_PINS_FILE` names, or `client/pins.json` in the folder for configurations.
    proxy : str, optional
        URL of an HTTP proxy on the way to the server; else what the environment says.
    ca_file : Path or str, optional
        Certificates (PEM) of the authorities to trust; else what the environment says.
    timeout : float, optional
        Seconds after which a server that says nothing is given up.

    Attributes
    ----------
    util, collaboration, node, organization, user, role, rule, task, result
        The sub-clients.

    Examples
    --------
    >>> client = Client("https://server.example", 443, "/api")
    >>> client.authenticate("researcher", "secret")
    >>> client.setup_encryption("private_key.pem")
    >>> client.collaboration.list(fields=["id", "name"])
    [{'id': 1, 'name': 'hospitals'}]
    """

    def __init__(
        self,
        host: str,
        port: int | str | None,
        path: str = "/api",
        verbose: bool = False,
        *,
        allow_pickle: bool = False,
        raise_errors: bool = False,
        session: Session | None = None,
        pins_file: Path | str | None = None,
        proxy: str | None = None,
        ca_file: Path | str | None = None,
        timeout: float | None = None,
    ) -> None:
        self._way = Connection(proxy, Path(ca_file).expanduser() if ca_file else None)
        self._given_session = session
        session = session or cast(Session, self._way.session(host))
        super().__init__(host, port, path, session=session, pins_file=pins_file, timeout=timeout)
        self.allow_pickle, self.raise_errors = allow_pickle, raise_errors
        self.transport.meter = Transfers()
        self.log = _log(verbose)
        self._organization_names: dict[int, str] = {}
        self.util = UtilSubClient(self)
        self.collaboration = CollaborationSubClient(self)
        self.node = NodeSubClient(self)
        self.organization = OrganizationSubClient(self)
        self.user = UserSubClient(self)
        self.role = RoleSubClient(self)
        self.rule = RuleSubClient(self)
        self.task = TaskSubClient(self)
        self.result = ResultSubClient(self)
        self.log.info("Welcome: vantage6 client %s for %s", __version__, self.base_path)

    def authenticate(  # type: ignore[override]
        self, username: str, password: str, mfa_code: int | str | None = None
    ) -> None:
        """Log in.

        Parameters
        ----------
        username, password : str
        mfa_code : int or str, optional
            The code of your authenticator app, where the server asks for one. At the first
            log-in to such a server the code to scan is printed instead.

        Raises
        ------
        AuthenticationException
            When the server does not accept this, or asks for the code that is missing.
        ServerUnreachable
            When there is no answer.
        """
        credentials: dict[str, Any] = {"username": username, "password": password}
        if mfa_code:
            credentials["mfa_code"] = mfa_code
        if super().authenticate(credentials, "token/user"):
            self.log.info("Logged in as %s", username)
            self._look_who_i_am()

    @classmethod
    def from_profile(
        cls,
        profile: Path | str | None = None,
        *,
        mfa_code: int | str | None = None,
        **options: Any,
    ) -> "UserClient":
        """A client that is logged in, with encryption set up, as a file says.

        Parameters
        ----------
        profile : str or Path, optional
            The name of a profile, or the path of its YAML or `.env` file. Without one, the `.env`
            file of the working folder and the variables `VANTAGE6_...` of the environment.
        mfa_code : int or str, optional
            The code of your authenticator app, where the server asks for one.
        **options
            Further parameters of `Client`, such as `raise_errors`.

        Raises
        ------
        ConfigurationError
            When the profile cannot be used; the text says what is wrong with it.
        AuthenticationException
            When the server does not accept it.
        FileNotFoundError, EncryptionError
            When the private key cannot be used.
        """
        told = Profile.load(profile)
        way = {"proxy": told.proxy, "ca_file": told.ca_file, "timeout": told.timeout}
        way["pins_file"] = told.pins_file
        client = cls(told.host, told.port, told.path, **{**way, **options})
        client.authenticate(told.username, told.password_or_ask(), mfa_code)
        if client.whoami is not None:
            client.setup_encryption(told.private_key)
        return client

    def socket_session(self) -> Any:
        """A session for one connection of the socket, which goes the way of the calls."""
        return None if self._given_session else self._way.session(self.server_url)

    def show_second_factor(self, reply: dict[str, Any]) -> None:
        """Print the code that sets up a second factor."""
        from vantage6.client.utils import print_qr_code

        print_qr_code(reply)

    def show_recovery_codes(self, reply: dict[str, Any]) -> None:
        """Print the codes that each replace a lost second factor, once."""
        from vantage6.client.utils import print_recovery_codes

        print_recovery_codes(reply)

    def request(
        self,
        endpoint: str,
        json: Any = None,
        method: str = "get",
        params: Any = None,
        first_try: bool = True,
        retry: bool = True,
    ) -> Any:
        """Make one call and return the body, that of a refusal too: `{"msg": ...}`.

        With `raise_errors` a refusal is raised instead.
        """
        if self.raise_errors:
            return self.send(method, endpoint, json=json, params=params)
        return super().request(endpoint, json, method, params, first_try, retry)

    def _create_task(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            return order_task(self, body)
        except ServerError as error:
            if self.raise_errors:
                raise
            return self._refused("post", "task", error)

    def wait_for_results(self, task_id: int, sleep: float = 1) -> Any:
        """Wait until a task is over and return its results as they are, decrypted.

        `task.wait` gives the values themselves, and tells about failures. This one follows
        the events of the server; a server without them is asked again and again.

        Parameters
        ----------
        task_id : int
        sleep : float
            The longest pause in seconds before such a server is asked again.

        Returns
        -------
        list of dict
            The results; `result` holds the decrypted bytes.
        """
        wait_for_task(self, task_id, longest_pause=sleep)
        return self.get_results(task_id=task_id)

    def organization_name(self, id_: int) -> str:
        """Name of an organization, or its number where it is not for us to see."""
        if id_ not in self._organization_names:
            try:
                self._organization_names[id_] = self.send("get", f"organization/{id_}")["name"]
            except ServiceUnavailable:
                # What goes by names would go by another one this once.
                raise
            except ServerError as error:
                self.log.debug("The name of organization %s is not known: %s", id_, error)
                return f"organization {id_}"
        return self._organization_names[id_]

    def whoami_or_fail(self) -> WhoAmI:
        """Who is logged in.

        Raises
        ------
        AuthenticationException
            When nobody is.
        """
        if self.whoami is None:
            raise AuthenticationException("Log in first: call authenticate()")
        return self.whoami

    def _look_who_i_am(self) -> None:
        try:
            user = self.send_patiently("get", f"user/{self._subject()}")
            path = f"organization/{user['organization']['id']}"
            organization = self.send_patiently("get", path)
        except ServiceUnavailable:
            raise
        except ServerError as error:
            # Somebody who may not even see themselves can still do what they may do.
            self.log.error("The server does not tell who you are: %s", error)
            return
        self.whoami = WhoAmI(
            type_="user",
            id_=user["id"],
            name=user["firstname"],
            organization_name=organization["name"],
            organization_id=organization["id"],
        )


Client = UserClient


class _Printer(logging.Handler):
    """Prints; looks up where to at each line, as `print` does."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record))


def _log(verbose: bool) -> logging.Logger:
    """A log of this client's own, so that one client can be talkative and another silent."""
    log = logging.Logger("vantage6.client")
    log.addHandler(_Printer() if verbose else logging.NullHandler())
    return log
