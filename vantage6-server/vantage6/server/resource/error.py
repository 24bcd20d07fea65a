"""The one place where an error becomes an answer: a status, `msg`, and `errors` per field."""

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from flask import Response, jsonify, request
from marshmallow import ValidationError
from sqlalchemy.exc import DataError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from vantage6.common.exceptions import IllegalTransition
from vantage6.common.log import request_id
from vantage6.server.exceptions import Refusal
from vantage6.server.service import audit
from vantage6.server.store.interface import Missing, StoreError, StoreFull, Superseded

log = logging.getLogger(__name__)

# Of what the payload store could not do; else it is only that it does not answer.
_OF_STORE = {StoreFull: 507, Superseded: 409, Missing: 410}
_LATER = {"Retry-After": "5"}


def answer(error: Exception) -> Response:
    """The answer to a request that ended in an error."""
    status, message, errors, headers = _describe(error)
    # Some refusals have such a status too, but nothing went wrong.
    failed = status >= 500 and not isinstance(error, Refusal | StoreFull)
    if failed:
        log.error("%s %s failed", request.method, quote(request.path), exc_info=error)
    audit.failed(status, message)
    facts = error.facts if isinstance(error, Refusal) else {}
    body: dict[str, Any] = {"msg": message, **facts}
    if errors:
        body["errors"] = errors
    if failed:
        # With it the cause is found in the log. In no refusal: those are alike to the letter.
        body["request_id"] = request_id.get()
    response = jsonify(body)
    response.status_code = status
    response.headers.update(headers)
    return response


def _describe(
    error: Exception,
) -> tuple[int, str, Mapping[str, Any] | None, Mapping[str, str]]:
    match error:
        case Refusal():
            return error.status, str(error), error.errors, error.headers
        case ValidationError():
            errors = error.normalized_messages()
            return 400, f"The request is not valid: {', '.join(map(str, errors))}", errors, {}
        case IllegalTransition():
            return 400, str(error), None, {}
        case StoreError():
            status = _OF_STORE.get(type(error), 503)
            return status, str(error), None, _LATER if status == 503 else {}
        case IntegrityError():
            return 400, "The request conflicts with what is already there", None, {}
        case DataError() | UnicodeEncodeError() | RecursionError():
            return 400, "The request holds something that cannot be stored", None, {}
        case OperationalError() | PoolTimeout():
            return 503, "The database is not available", None, {}
        case HTTPException():
            # Of its own headers only these say something that the body does not.
            kept = {
                name: value
                for name, value in error.get_headers()
                if name in ("Allow", "Retry-After")
            }
            return error.code or 500, error.description or error.name, None, kept
        case _:
            return 500, "Something went wrong in the server", None, {}
