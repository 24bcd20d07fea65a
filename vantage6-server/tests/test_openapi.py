"""The OpenAPI document and the pages around it; `documented.py` compares it with every answer."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from clients import Login
from documented import Witness
from factories import Factory
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import Schema, fields

from vantage6.server.model import User
from vantage6.server.openapi import document
from vantage6.server.permission.catalogue import ADMISSION
from vantage6.server.resource import RESOURCES, check_admissions
from vantage6.server.resource.contract import Contract
from vantage6.server.resource.organization import OneOrganization, Organizations
from vantage6.server.schema.answer import VersionOutput
from vantage6.server.schema.base import Input

METHODS = {"GET", "POST", "PATCH", "DELETE"}


@pytest.fixture
def written(client: FlaskClient) -> Any:
    return client.get("/openapi.json").json


def test_every_route_of_the_api_is_in_the_document(app: Flask, written: Any) -> None:
    served = {
        (re.sub(r"<.*?(\w+)>", r"{\1}", str(rule)), method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) & METHODS
        if str(rule).startswith("/api/")
    }
    documented = {
        (path, method.upper())
        for path, operations in written["paths"].items()
        for method in operations
    }
    assert documented == served
    assert len(served) == sum(len(methods) for methods in ADMISSION.values())


def test_the_document_lies_where_the_api_lies(config: dict[str, Any]) -> None:
    assert "/version" in document("")["paths"]
    assert "/v6/api/version" in document("/v6/api")["paths"]


def test_the_document_is_open_to_everybody_also_where_classic_servers_have_it(
    client: FlaskClient, written: Any
) -> None:
    assert client.get("/apispec_1.json").json == written
    assert written["openapi"] == "3.0.3"


def test_filters_includes_and_pages_are_arguments(written: Any) -> None:
    for resource in RESOURCES:
        path = "/api" + re.sub(r"<(\w+)>", r"{\1}", resource.route)
        for method, contract in resource.contracts.items():
            given = written["paths"][path][method.lower()]["parameters"]
            names = {parameter["name"] for parameter in given if parameter["in"] == "query"}
            assert names == contract.all_arguments
    task = written["paths"]["/api/task"]["get"]["parameters"]
    include = next(parameter for parameter in task if parameter["name"] == "include")
    assert {"metadata", "results", "result"} <= set(include["schema"]["items"]["enum"])
    assert {"page", "per_page"} <= {parameter["name"] for parameter in task}


def test_every_field_of_a_schema_is_described(written: Any) -> None:
    described = written["components"]["schemas"]
    for resource in RESOURCES:
        for contract in resource.contracts.values():
            schema = contract.gives
            if isinstance(schema, type):
                words = described[schema.__name__.removesuffix("Output")]
                shown = schema._declared_fields.keys() - set(schema.opts.exclude)
                assert shown == words["properties"].keys()
                assert words["additionalProperties"] is False
                assert words["description"]


def test_what_a_body_may_be_is_what_is_let_through(written: Any) -> None:
    organization = written["components"]["schemas"]["OrganizationInput"]
    assert organization["additionalProperties"] is False
    assert organization["properties"]["name"]["nullable"] is True
    collaboration = written["components"]["schemas"]["CollaborationInput"]
    assert set(collaboration["required"]) == {"name", "organization_ids"}
    change = written["components"]["schemas"]["OrganizationChange"]
    assert "default" not in change["properties"]["name"]
    login = written["components"]["schemas"]["UserLogin"]["properties"]
    assert {"username", "password"} <= set(login)


def test_who_is_admitted_is_said(written: Any) -> None:
    paths = written["paths"]
    assert paths["/api/version"]["get"]["security"] == []
    assert paths["/api/task"]["get"]["security"] == [{"accessToken": []}]
    assert paths["/api/token/refresh"]["post"]["security"] == [{"refreshToken": []}]
    assert "user, container" in paths["/api/task"]["post"]["description"]
    assert {"401", "403", "404", "429"} <= set(paths["/api/task/{id}"]["get"]["responses"])


def _without_a_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Organizations, "answer", lambda self, data, headers: (data, 202, headers))


def _without_a_field(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Organizations.output

    def output(self: Organizations) -> Any:
        schema = shown(self)
        del schema.dump_fields["domain"], schema.fields["domain"]
        return schema

    monkeypatch.setattr(Organizations, "output", output)


def _with_an_unknown_field(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Organizations.output

    def output(self: Organizations) -> Any:
        schema = shown(self)
        schema.dump_fields["secret"] = fields.Constant("x")
        return schema

    monkeypatch.setattr(Organizations, "output", output)


@pytest.mark.parametrize("change", [_without_a_status, _without_a_field, _with_an_unknown_field])
def test_an_answer_that_is_not_documented_is_noticed(
    app: Flask,
    login_as: Login,
    root: User,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[pytest.MonkeyPatch], None],
) -> None:
    change(monkeypatch)
    witness: Witness = app.extensions["witness"]
    assert login_as(root).get("/api/organization").status_code < 300
    assert len(witness.violations) == 1
    witness.violations.clear()


def test_a_method_without_a_contract_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OneOrganization, "contracts", {"GET": Contract(gives=VersionOutput)})
    with pytest.raises(LookupError, match="/organization/<id>"):
        check_admissions()


def test_a_body_that_nobody_declared_is_not_read(
    login_as: Login, root: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Organizations, "contracts", {"POST": Contract(gives=VersionOutput)})
    assert login_as(root).post("/api/organization", json={}).status_code == 500


def test_the_browsable_page_loads_our_own_files_only(client: FlaskClient) -> None:
    for path in ("/apidocs", "/apidocs/"):
        page = client.get(path)
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
    files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(files) == 4
    for file in files:
        assert client.get(file).status_code == 200
    assert not re.search(r"<script>|<style|style=", page.text)


def test_no_other_file_can_be_had_there(client: FlaskClient) -> None:
    for name in ("index.html", "..%2fapp.py", "swagger-ui.js.map"):
        answer = client.get(f"/apidocs/{name}")
        assert (answer.status_code, list(answer.json)) == (404, ["msg"])


def test_search_engines_are_sent_away(client: FlaskClient) -> None:
    answer = client.get("/robots.txt")
    assert answer.mimetype == "text/plain"
    assert "Disallow: /" in answer.text


def test_the_schemas_of_bodies_refuse_what_they_do_not_know() -> None:
    taken = {
        contract.takes
        for resource in RESOURCES
        for contract in resource.contracts.values()
        if contract.takes
    }
    assert all(issubclass(schema, Input) for schema in taken)
    assert all(issubclass(schema, Schema) for schema in taken)


def test_a_task_shows_what_is_embedded_in_it(
    make: Factory, login_as: Login, root: User, written: Any
) -> None:
    organization = make.organization()
    study = make.collaboration(organization)
    make.node(organization, study)
    task = make.task(study)
    shown = login_as(root).get(f"/api/task/{task.id}?include=results").json["results"][0]
    words = written["components"]["schemas"]["ResultInTask"]
    assert set(shown) == set(words["required"])
