"""What all resources share: who may come in, one transaction, and the way to the answer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from functools import cache
from typing import Any, ClassVar, TypeVar, cast

import flask_restful
from flask import Response, current_app, request
from marshmallow import ValidationError
from sqlalchemy import Connection, Select, select
from sqlalchemy.orm import Session

from vantage6.server.database import Database
from vantage6.server.exceptions import BadRequest, Forbidden, NotFound
from vantage6.server.model import Model
from vantage6.server.permission import check
from vantage6.server.permission.catalogue import ADMISSION, Admitted, Operation
from vantage6.server.permission.identity import Identity
from vantage6.server.resource import filter as filters
from vantage6.server.resource.contract import Contract, Shape, contracts_of
from vantage6.server.resource.pagination import paginate
from vantage6.server.schema.base import Input, Output
from vantage6.server.service import audit, identification, token
from vantage6.server.service.guard import Guard
from vantage6.server.service.login_limit import LoginLimit
from vantage6.server.service.staging import Staging
from vantage6.server.store.payloads import Payloads

M = TypeVar("M", bound=Model)

Answer = tuple[Any, int, dict[str, str]]

# The argument that names a field to leave out; the schemas call it the same.
EXCLUDE = "exclude"

# Bytes of a body that is not one of data for or from an algorithm.
SMALL_BODY_LIMIT = 64 * 1024
# Values in a body of any size. A text of a gigabyte is read at once, but for a million numbers it
# takes a fifth of a second in which nobody else is answered.
VALUES_LIMIT = 5_000_000


class Resource(flask_restful.Resource):
    """Base of all resources.

    A method is called only for those whom the table of admissions lets in. It runs in one
    transaction: returning commits, raising rolls back. Where another transaction gets in its
    way it is called again, so it must do nothing that a rollback does not undo.
    """

    route: ClassVar[str]
    # What its methods take and answer, by the names of HTTP.
    contracts: ClassVar[dict[str, Contract]]
    # Whether the token to show is one for refreshing.
    takes_refresh_token: ClassVar[bool] = False
    # Whether bodies hold the data of algorithms, which may be as large as the server allows.
    takes_data: ClassVar[bool] = False
    # Whether methods that change something read the body piece by piece, and open transactions
    # by themselves; those are then not repeated as a whole.
    streams: ClassVar[bool] = False
    # Whether all methods leave the database as it is, whatever they are called.
    only_reads: ClassVar[bool] = False

    # What the method that is called takes and answers.
    contract: Contract
    # The body, where it was read before the transaction.
    _body: dict[str, Any] | None = None
    claims: dict[str, Any]
    identity: Identity
    session: Session

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.contracts = contracts_of(cls)

    def dispatch_request(self, *args: Any, **kwargs: Any) -> Response | Answer:
        """Answer a request."""
        method = "GET" if request.method == "HEAD" else request.method
        admitted, self.contract = ADMISSION[self.route][method], self.contracts[method]
        if method == "GET" or self.only_reads:
            # What was read to admit the caller and what is answered are of one moment.
            with self.database.reading() as self.session:
                if admitted:
                    self._admit(admitted, self.session.connection(), self.session.rollback)
                with self._accepted(admitted):
                    return super().dispatch_request(*args, **kwargs)
        if admitted:
            # Others need the connection, and to write, while the body of this request arrives.
            with self.database.connection() as connection:
                self._admit(admitted, connection, connection.close)
        with self._accepted(admitted):
            if self.streams:
                return super().dispatch_request(*args, **kwargs)
            request.get_data()
            with Staging(self.payloads) as staging:
                self._body = self.staged(staging)
                return self._change(*args, **kwargs)

    @contextmanager
    def _accepted(self, admitted: Admitted) -> Iterator[None]:
        """Work on the request meanwhile, unless it asks for too much, or its caller does."""
        if not self.takes_data and self.contract.takes_bytes is None:
            _refuse_large_body()
        self._check_arguments()
        with current_app.extensions["turns"].take(self.identity) if admitted else nullcontext():
            yield

    def _change(self, *args: Any, **kwargs: Any) -> Response | Answer:
        def answer(session: Session) -> Response | Answer:
            self.session = session
            answered: Response | Answer = super(Resource, self).dispatch_request(*args, **kwargs)
            return answered

        return self.database.run(answer)

    @property
    def database(self) -> Database:
        """The database of the application."""
        database: Database = current_app.extensions["database"]
        return database

    @property
    def payloads(self) -> Payloads:
        """The payload store of the application."""
        payloads: Payloads = current_app.extensions["payloads"]
        return payloads

    @property
    def login_limit(self) -> LoginLimit:
        """How many wrong secrets the application lets through."""
        limit: LoginLimit = current_app.extensions["login_limit"]
        return limit

    @property
    def guard(self) -> Guard:
        """Compares the secrets that come with this request."""
        notices = current_app.extensions["notices"]
        return Guard(self.database, self.login_limit, notices, self.address)

    @property
    def address(self) -> str:
        """Where the request comes from."""
        return request.remote_addr or ""

    def read(self) -> dict[str, Any]:
        """The body of the request, checked by the contract."""
        if self._body is not None:
            return deepcopy(self._body)
        if self.contract.takes is None:
            raise TypeError(f"{request.method} {self.route} declares no body")
        _refuse_many_values()
        body = request.get_json(silent=True)
        if body is None:
            raise BadRequest("The request must have a body in JSON")
        schema = _reader(self.contract.takes)
        values: dict[str, Any] = schema.load(body, partial=self.contract.partial)
        return values

    def staged(self, staging: Staging) -> dict[str, Any] | None:
        """The body, of which large texts are put into the store; None where there are none.

        Before the transaction; what is at fault is told of within it, once it is known who asks
        for what.
        """
        if not self.takes_data or (request.content_length or 0) < self.payloads.stored_from:
            return None
        try:
            body = self.read()
        except (BadRequest, ValidationError, RecursionError):
            return None
        self.stage(staging, body)
        return body

    def stage(self, staging: Staging, body: dict[str, Any]) -> None:
        """Put large texts of a body into the store, where the resource has such."""

    def argument(self, name: str) -> Any:
        """One of the arguments that the contract names besides filters; None without it."""
        value = self.contract.arguments[name]
        text = request.args.get(name)
        if text is None and value.required:
            raise BadRequest(f"`{name}` is missing", {name: ["Missing."]})
        return None if text is None else filters.use(name, value.read, text)

    def optional(self, name: str) -> Any:
        """An argument; None where the contract does not name it either."""
        return self.argument(name) if name in self.contract.arguments else None

    def header(self, name: str) -> Any:
        """One of the headers that the contract names; None without it."""
        text = request.headers.get(name)
        value = self.contract.takes_headers[name]
        if text is None and value.required:
            raise BadRequest(f"The header `{name}` is missing")
        return None if text is None else filters.use(name, value.read, text)

    def includes(self, *names: str) -> bool:
        """Whether the request asks to include something, under any of its names."""
        return not set(names).isdisjoint(request.args.getlist("include"))

    def load(
        self, operation: Operation, model: type[M], id_: int, *, by: type[Model] | None = None
    ) -> M:
        """The object with this id, which the caller may do this to, by the rules `by` if given."""
        query = select(model).where(model.id == id_)
        return check.load(self.session, self.identity, operation, query, by)

    def load_any(self, model: type[M], id_: int) -> M:
        """The object with this id, for callers who may learn that there is none."""
        found = self.session.get(model, id_)
        if found is None:
            raise NotFound(f"There is no {model.resource()} {id_}")
        return found

    def require(
        self, operation: Operation, model: type[Model], organization_id: int | None = None
    ) -> None:
        """Refuse the request unless the caller may do this, in this organization if given."""
        check.require(self.identity, operation, model, organization_id)

    def visible(self, query: Select[M]) -> Select[M]:
        """Narrow a query to what the caller may see."""
        return check.visible(self.identity, Operation.VIEW, query)

    def filtered(self, query: Select[M]) -> Select[M]:
        """Narrow a query by the arguments of the request."""
        return filters.apply(query, self.contract.filters, request.args)

    def check_filter(self, name: str, model: type[Model]) -> None:
        """Refuse to filter by what the caller may not see: what is found would tell of it."""
        for id_ in self.filter_values(name):
            self.load(Operation.VIEW, model, id_)

    def filter_values(self, name: str) -> list[Any]:
        """What the request filters by."""
        read = self.contract.filters[name].value.read
        return [filters.use(name, read, text) for text in request.args.getlist(name)]

    def output(self, **options: Any) -> Output:
        """The schema of what the contract promises."""
        schema = cast(type[Output], self.contract.gives)
        left_out = EXCLUDE in self.contract.arguments and self.argument(EXCLUDE)
        if left_out:
            options[EXCLUDE] = (left_out,)
        return schema(self.session, self.identity, **options)

    def show(self, found: Any, schema: Output | None = None) -> Answer:
        """The answer that shows one object, or all of them where the contract says so."""
        many = self.contract.shape is Shape.ALL
        return self.answer((schema or self.output()).dump(found, many=many))

    def answer(self, data: Any, headers: dict[str, str] | None = None) -> Answer:
        """The answer with this body."""
        return data, self.contract.status, headers or {}

    def say(self, message: str) -> Answer:
        """The answer that says what was done."""
        return self.answer({"msg": message})

    def page(
        self, query: Select[M], schema: Output | None = None, *, newest_first: bool = False
    ) -> Answer:
        """The page of a query that the request asks for."""
        model = cast(type[M], check.entity(query))
        page = paginate(self.session, query, model, newest_first=newest_first)
        data = (schema or self.output()).dump(page.items, many=True)
        if self.includes("metadata"):
            data = {"data": data, "links": page.links}
        return self.answer(data, page.headers)

    def _admit(
        self, admitted: Admitted, connection: Connection, release: Callable[[], None]
    ) -> None:
        self.claims = token.read(refresh=self.takes_refresh_token)
        self.identity = identification.identify(connection, self.claims)
        audit.set_caller(self.identity)
        if self.identity.kind not in admitted:
            raise Forbidden(f"This is not for a {self.identity.kind.value}")
        if identification.is_seen_long_ago(self.identity):
            # The answer shows it, too; and who held one connection while waiting for a second
            # would, with enough others like him, wait for ever.
            release()
            with self.database.transaction() as session:
                identification.note_last_seen(session, self.identity)

    def _check_arguments(self) -> None:
        """Refuse what a list does not know, and what cannot be included.

        Elsewhere unknown arguments are ignored: classic clients send the filters of their last
        list along when they ask for one result.
        """
        known = self.contract.all_arguments
        unknown = sorted(set(request.args) - known)
        if self.contract.shape is Shape.PAGE and unknown:
            raise BadRequest(
                f"Unknown argument: {', '.join(unknown)}",
                {name: ["Unknown field."] for name in unknown},
            )
        included = {name for name in request.args.getlist("include") if name}
        strange = sorted(included - self.contract.all_includes.keys())
        if self.contract.all_includes and strange:
            raise BadRequest(
                f"Cannot be included here: {', '.join(strange)}", {"include": ["Not valid."]}
            )


@cache
def _reader(schema: type[Input]) -> Input:
    """What reads bodies of one kind; it keeps nothing of them."""
    return schema()


def body_length() -> int:
    """How long the body of the request says it is."""
    if request.content_length is None and "Transfer-Encoding" in request.headers:
        raise BadRequest("The request must say how long it is")
    return request.content_length or 0


def _refuse_many_values() -> None:
    """Refuse a body in which there are too many values, before it is parsed."""
    if request.get_data().count(b",") >= VALUES_LIMIT:
        raise BadRequest("The request holds too many values; send so much data as one text")


def _refuse_large_body() -> None:
    """Refuse a body that is too large, or does not say how large it is, before it is read."""
    if body_length() > SMALL_BODY_LIMIT:
        raise BadRequest("The request is too large")
