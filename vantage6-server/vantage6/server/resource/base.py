"""What all resources share: who may come in, one transaction, and the way to the answer."""

from typing import Any, ClassVar, TypeVar

import flask_restful
from flask import Response, current_app, request
from marshmallow import Schema
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from vantage6.server.database import Database
from vantage6.server.exceptions import BadRequest, Forbidden, NotFound
from vantage6.server.model import Model
from vantage6.server.permission import check
from vantage6.server.permission.catalogue import ADMISSION, Admitted, Operation
from vantage6.server.permission.identity import Identity
from vantage6.server.resource import filter as filters
from vantage6.server.resource.pagination import paginate
from vantage6.server.schema.base import Output
from vantage6.server.service import audit, authentication, token
from vantage6.server.service.login_limit import LoginLimit

M = TypeVar("M", bound=Model)

Answer = tuple[Any, int] | tuple[Any, int, dict[str, str]]

# Bytes of a body that is not one of data for or from an algorithm.
SMALL_BODY_LIMIT = 64 * 1024


class Resource(flask_restful.Resource):
    """Base of all resources.

    A method is called only for those whom the table of admissions lets in. It runs in one
    transaction: returning commits, raising rolls back.
    """

    route: ClassVar[str]
    # Whether the token to show is one for refreshing.
    takes_refresh_token: ClassVar[bool] = False
    # Whether bodies hold the data of algorithms, which may be as large as the server allows.
    takes_data: ClassVar[bool] = False
    # Whether all methods leave the database as it is, whatever they are called.
    only_reads: ClassVar[bool] = False

    identity: Identity
    session: Session

    def dispatch_request(self, *args: Any, **kwargs: Any) -> Response | Answer:
        """Answer a request."""
        admitted = ADMISSION[self.route][_method()]
        if admitted:
            self._admit(admitted)
        if not self.takes_data:
            _refuse_large_body()
        if not admitted:
            return self._answer(*args, **kwargs)
        with current_app.extensions["turns"].take(self.identity):
            return self._answer(*args, **kwargs)

    def _answer(self, *args: Any, **kwargs: Any) -> Response | Answer:
        writes = _method() != "GET" and not self.only_reads
        with self.database.session(writes=writes) as self.session:
            answer: Response | Answer = super().dispatch_request(*args, **kwargs)
            self.session.commit()
        return answer

    @property
    def database(self) -> Database:
        """The database of the application."""
        database: Database = current_app.extensions["database"]
        return database

    @property
    def login_limit(self) -> LoginLimit:
        """How many wrong secrets the application lets through."""
        limit: LoginLimit = current_app.extensions["login_limit"]
        return limit

    @property
    def address(self) -> str:
        """Where the request comes from."""
        return request.remote_addr or ""

    def read(self, schema: Schema, *, partial: bool = False) -> dict[str, Any]:
        """The body of the request, checked; `partial` where nothing in it is required."""
        body = request.get_json(silent=True)
        if body is None:
            raise BadRequest("The request must have a body in JSON")
        values: dict[str, Any] = schema.load(body, partial=partial)
        return values

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
            raise NotFound(f"There is no {model.__tablename__} {id_}")
        return found

    def require(
        self, operation: Operation, model: type[Model], organization_id: int | None = None
    ) -> None:
        """Refuse the request unless the caller may do this, in this organization if given."""
        check.require(self.identity, operation, model, organization_id)

    def visible(self, query: Select[M]) -> Select[M]:
        """Narrow a query to what the caller may see."""
        return check.visible(self.identity, Operation.VIEW, query)

    def filtered(self, query: Select[M], conditions: dict[str, filters.Condition]) -> Select[M]:
        """Narrow a query by the arguments of the request."""
        return filters.apply(query, conditions, request.args)

    def check_filter(self, name: str, model: type[Model]) -> None:
        """Refuse to filter by what the caller may not see: what is found would tell of it."""
        for id_ in request.args.getlist(name, int):
            self.load(Operation.VIEW, model, id_)

    def page(self, query: Select[M], schema: Output, *, newest_first: bool = False) -> Answer:
        """The page of a query that the request asks for."""
        model: type[M] = query.column_descriptions[0]["entity"]
        page = paginate(self.session, query, model, newest_first=newest_first)
        data = schema.dump(page.items, many=True)
        if filters.includes(request.args, ["metadata"]):
            data = {"data": data, "links": page.links}
        return data, 200, page.headers

    def _admit(self, admitted: Admitted) -> None:
        claims = token.read(refresh=self.takes_refresh_token)
        with self.database.reading() as session:
            self.identity = authentication.identify(session, claims)
        audit.set_caller(self.identity)
        if self.identity.kind not in admitted:
            raise Forbidden(f"This is not for a {self.identity.kind.value}")
        if authentication.is_seen_long_ago(self.identity):
            with self.database.transaction() as session:
                authentication.note_last_seen(session, self.identity)


def _method() -> str:
    return "GET" if request.method == "HEAD" else request.method


def _refuse_large_body() -> None:
    """Refuse a body that is too large, or does not say how large it is, before it is read."""
    if request.content_length is None and "Transfer-Encoding" in request.headers:
        raise BadRequest("The request must say how long it is")
    if (request.content_length or 0) > SMALL_BODY_LIMIT:
        raise BadRequest("The request is too large")
