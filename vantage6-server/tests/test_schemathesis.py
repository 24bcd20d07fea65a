"""What schemathesis finds when it asks all that the OpenAPI document describes.

No error of the server, no answer that is not documented, and no accepted request that the
document forbids. The same questions in every run, and few of each kind;
`VANTAGE6_EXAMPLES=500` asks more. Nothing is committed, so one world serves all.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from clients import access_token, bearer
from databases import fill
from factories import Factory
from flask import Flask
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi import checks
from sqlalchemy.orm import Session

from vantage6.server.app import create_app
from vantage6.server.openapi import document
from vantage6.server.service import password

EXAMPLES = int(os.environ.get("VANTAGE6_EXAMPLES", "5"))
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
CONFIG = schemathesis.Config.from_dict(
    {
        # Who calls is not for it to make up.
        "generation": {
            "database": "none",
            "deterministic": True,
            "with-security-parameters": False,
        },
        # 501 is what nodes are told that ask for a VPN.
        "checks": {"not_a_server_error": {"expected-statuses": ["2xx", "4xx", "501"]}},
        # Hundreds of cases for each operation: only where many are wanted.
        "phases": {"coverage": {"enabled": EXAMPLES > 5}},
    }
)
# Pieces of uploads are bytes under another name.
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
SCHEMA = schemathesis.openapi.from_dict(document("/api"), config=CONFIG)


class Served:
    """An application with a little of everything, and those who call it."""

    def __init__(self, app: Flask, session: Session) -> None:
        self.app = app
        make = Factory(session)
        hospital, partner = make.organization(), make.organization()
        study = make.collaboration(hospital, partner)
        node = make.node(hospital, study)
        make.node(partner, study)
        make.port(make.task(study).results[0])
        make.role(hospital)
        with app.app_context():
            self.headers: dict[str, dict[str, str]] = {
                "nobody": {},
                "researcher": bearer(access_token(make.user(hospital, role="Researcher"))),
                "root": bearer(access_token(make.user(hospital, role="Root"))),
                "node": bearer(access_token(node)),
            }


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("schemathesis")
    uri = f"sqlite:///{folder}/x.sqlite"
    fill(uri)
    payloads = {"folder": f"{folder}/payloads"}
    app = create_app({"uri": uri, "jwt_secret_key": "x" * 40, "payloads": payloads})
    database = app.extensions["database"]
    with pytest.MonkeyPatch.context() as patch, database.sessions(bind=database.engine) as session:
        patch.setattr(password, "ROUNDS", 4)
        made = Served(app, session)
        patch.setattr(Session, "commit", Session.flush)
        yield made
    database.dispose()


@SCHEMA.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@pytest.mark.parametrize("caller", ["nobody", "researcher", "root", "node"])
def test_the_document_is_kept(case: Any, served: Served, caller: str) -> None:
    case.operation.schema.app = served.app
    used = CHECKS[:-1] if has_arguments_to_ignore(case) else CHECKS
    case.call_and_validate(app=served.app, headers=served.headers[caller], checks=used)


def has_arguments_to_ignore(case: Any) -> bool:
    """Whether arguments stand in the address that nobody knows; lists alone refuse them."""
    known = {parameter.name for parameter in case.operation.query}
    return "page" not in known and bool(set(case.query or ()) - known)
