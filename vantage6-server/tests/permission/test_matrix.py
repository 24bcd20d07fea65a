"""Who may call what: every route, with each rule that opens it and with all that do not.

The tables say what is promised; the server is asked whether it keeps it. Nothing is committed,
so one world serves all.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from clients import LoggedIn, bearer, container_token, log_in
from databases import KINDS, fresh
from documented import Witness
from factories import IMAGE, Factory, ids
from flask import Flask
from sqlalchemy.orm import Session

from vantage6.server.app import create_app
from vantage6.server.model import Rule, User
from vantage6.server.permission.catalogue import (
    ADMISSION,
    ANONYMOUS,
    RULES,
    Kind,
    Operation,
    RuleRecord,
    Scope,
    rule,
)
from vantage6.server.permission.role import DEFAULT_ROLES, NODE
from vantage6.server.service import password, token

V, E, C, D = Operation
OWN, ORG, COL, GLO = Scope

# Whose things they are, seen from the organization of the caller.
SELF, COLLEAGUE, PARTNER, STRANGER = "self", "colleague", "partner", "stranger"


class World:
    """Two organizations that work together, and one that does so with nobody here."""

    def __init__(self, app: Flask, session: Session) -> None:
        self.app, self.make = app, Factory(session)
        make = self.make
        self.own, self.partner, self.stranger = (make.organization() for _ in range(3))
        self.shared = make.collaboration(self.own, self.partner)
        self.foreign = make.collaboration(self.stranger)
        self.nodes = {
            COLLEAGUE: make.node(self.own, self.shared),
            PARTNER: make.node(self.partner, self.shared),
            STRANGER: make.node(self.stranger, self.foreign),
        }
        self.tasks = {
            COLLEAGUE: make.task(self.shared, self.own),
            PARTNER: make.task(self.shared, self.partner),
            STRANGER: make.task(self.foreign),
        }
        organizations = {COLLEAGUE: self.own, PARTNER: self.partner, STRANGER: self.stranger}
        self.users = {whose: make.user(of) for whose, of in organizations.items()}
        self.roles = {whose: make.role(of) for whose, of in organizations.items()}
        self.ids: dict[str, dict[str, int]] = {
            "organization": {whose: of.id for whose, of in organizations.items()},
            "collaboration": {
                COLLEAGUE: self.shared.id,
                PARTNER: self.shared.id,
                STRANGER: self.foreign.id,
            },
            "node": {whose: node.id for whose, node in self.nodes.items()},
            "task": {whose: task.id for whose, task in self.tasks.items()},
            "result": {whose: task.results[0].id for whose, task in self.tasks.items()},
            "port": {whose: make.port(task.results[0]).id for whose, task in self.tasks.items()},
            "user": {whose: user.id for whose, user in self.users.items()},
            "role": {whose: role.id for whose, role in self.roles.items()},
        }
        self.member = cache(self._member)

    def user_with(self, rules: Iterable[RuleRecord]) -> LoggedIn:
        """A user of the own organization with these rules."""
        return log_in(self.app, self.member(frozenset(rules)))

    def fill(self, template: str, whose: str, caller: User | None = None) -> str:
        """A path or text with the ids of those whose things it is about."""
        ids_ = {name: by_whose.get(whose, 0) for name, by_whose in self.ids.items()}
        if whose == SELF and caller:
            ids_["user"] = caller.id
        return template.format(**ids_)

    def _member(self, rules: frozenset[RuleRecord]) -> User:
        user: User = self.make.user(self.own, rules=rules)
        return user


@pytest.fixture(scope="module", params=KINDS)
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with (
        fresh(request, tmp_path_factory.mktemp("world"), filled=True) as uri,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(password, "ROUNDS", 4)
        app = create_app({"uri": uri, "jwt_secret_key": "x" * 40})
        witness = Witness(app)
        with app.extensions["database"].session(writes=False) as session:
            yield World(app, session)
        app.extensions["database"].dispose()
        witness.check()


@pytest.fixture(autouse=True)
def nothing_is_committed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let requests roll back where they would commit; the world itself is complete by then."""
    commit = Session.commit
    own = world.make.session
    monkeypatch.setattr(
        Session, "commit", lambda self: commit(self) if self is own else self.rollback()
    )


@dataclass(frozen=True)
class Case:
    """One call on things of somebody, and the rules of which any one opens it."""

    method: str
    path: str
    whose: str
    opened_by: tuple[RuleRecord, ...]
    body: dict[str, Any] = field(default_factory=dict, compare=False, hash=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path} of {self.whose}"


def cases(
    method: str,
    path: str,
    name: str,
    operation: Operation,
    /,
    *,
    colleague: Iterable[Scope] = (GLO,),
    partner: Iterable[Scope] = (GLO,),
    stranger: Iterable[Scope] = (GLO,),
    self_: Iterable[Scope] | None = None,
    **body: Any,
) -> list[Case]:
    """The cases of one call, from the scopes that open it for the things of each."""
    scopes = {COLLEAGUE: colleague, PARTNER: partner, STRANGER: stranger}
    if self_ is not None:
        scopes[SELF] = self_
    return [
        Case(method, path, whose, tuple(rule(name, scope, operation) for scope in opening), body)
        for whose, opening in scopes.items()
    ]


IN_OWN = (ORG, GLO)
MEMBER = {"colleague": IN_OWN, "partner": IN_OWN}
NEW_USER = {
    "username": "newcomer",
    "firstname": "",
    "lastname": "",
    "password": "Passw0rd!",
    "email": "new@hospital.example",
    "organization_id": "{organization}",
}

# fmt: off
CASES = [
    *cases("GET", "/organization/{organization}", "organization", V,
           colleague=(ORG, COL, GLO), partner=(COL, GLO)),
    *cases("PATCH", "/organization/{organization}", "organization", E, colleague=IN_OWN),
    *cases("GET", "/organization/{organization}/collaboration", "collaboration", V,
           colleague=IN_OWN),
    *cases("GET", "/organization/{organization}/node", "node", V, colleague=IN_OWN),
    *cases("GET", "/collaboration/{collaboration}", "collaboration", V, **MEMBER),
    *cases("GET", "/collaboration/{collaboration}/organization", "collaboration", V, **MEMBER),
    *cases("GET", "/collaboration/{collaboration}/node", "collaboration", V, **MEMBER),
    *cases("PATCH", "/collaboration/{collaboration}", "collaboration", E),
    *cases("DELETE", "/collaboration/{collaboration}", "collaboration", D),
    *cases("POST", "/collaboration/{collaboration}/organization", "collaboration", E,
           id="{organization}"),
    *cases("DELETE", "/collaboration/{collaboration}/node", "collaboration", E, id="{node}"),
    *cases("GET", "/node/{node}", "node", V, colleague=IN_OWN),
    *cases("PATCH", "/node/{node}", "node", E, colleague=IN_OWN, name="new"),
    *cases("DELETE", "/node/{node}", "node", D, colleague=IN_OWN),
    *cases("POST", "/recover/node", "node", E, colleague=IN_OWN, id="{node}"),
    *cases("GET", "/task/{task}", "task", V, **MEMBER),
    *cases("DELETE", "/task/{task}", "task", D, **MEMBER),
    *cases("GET", "/collaboration/{collaboration}/task", "task", V, **MEMBER),
    *cases("GET", "/task/{task}/result", "result", V, **MEMBER),
    *cases("GET", "/result/{result}", "result", V, **MEMBER),
    *cases("GET", "/port/{port}", "port", V, **MEMBER),
    *cases("POST", "/kill/task", "task", D, **MEMBER, id="{task}"),
    *cases("POST", "/kill/node/tasks", "task", D, **MEMBER, id="{node}"),
    *cases("GET", "/user/{user}", "user", V, colleague=IN_OWN),
    *cases("PATCH", "/user/{user}", "user", E,
           colleague=IN_OWN, self_=(OWN, ORG, GLO), firstname="New"),
    *cases("DELETE", "/user/{user}", "user", D, colleague=IN_OWN, self_=(OWN, ORG, GLO)),
    *cases("DELETE", "/user/{user}/2fa", "user", E, colleague=IN_OWN),
    *cases("POST", "/user", "user", C, colleague=IN_OWN, **NEW_USER),
    *cases("GET", "/role/{role}", "role", V, colleague=IN_OWN),
    *cases("GET", "/role/{role}/rule", "role", V, colleague=IN_OWN),
    *cases("PATCH", "/role/{role}", "role", E, colleague=IN_OWN, name="new"),
    *cases("DELETE", "/role/{role}", "role", D, colleague=IN_OWN),
    *cases("POST", "/role", "role", C, colleague=IN_OWN,
           name="new", description="", organization_id="{organization}"),
    Case("POST", "/organization", COLLEAGUE, (rule("organization", GLO, C),), {"name": "new"}),
    Case("POST", "/collaboration", COLLEAGUE, (rule("collaboration", GLO, C),),
         {"name": "new", "organization_ids": ["{organization}"]}),
    Case("DELETE", "/collaboration/{collaboration}/organization", COLLEAGUE,
         (rule("collaboration", GLO, E), rule("collaboration", GLO, D)),
         {"id": "{organization}"}),
    Case("POST", "/task", COLLEAGUE, (rule("task", ORG, C), rule("task", GLO, C)),
         {"collaboration_id": "{collaboration}", "organizations": [{"id": "{organization}"}]}),
    Case("GET", "/collaboration", COLLEAGUE,
         (rule("collaboration", ORG, V), rule("collaboration", GLO, V))),
    Case("GET", "/organization", COLLEAGUE,
         tuple(rule("organization", scope, V) for scope in (ORG, COL, GLO))),
    Case("GET", "/node", COLLEAGUE, (rule("node", ORG, V), rule("node", GLO, V))),
    Case("GET", "/task", COLLEAGUE, (rule("task", ORG, V), rule("task", GLO, V))),
    Case("GET", "/result", COLLEAGUE, (rule("result", ORG, V), rule("result", GLO, V))),
    Case("GET", "/port", COLLEAGUE, (rule("port", ORG, V), rule("port", GLO, V))),
    Case("GET", "/user", COLLEAGUE, (rule("user", ORG, V), rule("user", GLO, V))),
]
# fmt: on


def call(world: World, case: Case, rules: Iterable[RuleRecord]) -> int:
    """The status that a user with these rules gets."""
    rules = frozenset(rules)
    client, caller = world.user_with(rules), world.member(rules)
    path = world.fill(f"/api{case.path}", case.whose, caller)
    answer = client.open(path, method=case.method, json=filled(world, case.body, case.whose))
    return int(answer.status_code)


def filled(world: World, value: Any, whose: str) -> Any:
    """A body with ids in the place of their names."""
    match value:
        case dict():
            return {key: filled(world, item, whose) for key, item in value.items()}
        case list():
            return [filled(world, item, whose) for item in value]
        case str() if value.startswith("{"):
            return int(world.fill(value, whose))
        case _:
            return value


@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_of_the_rules_that_open_a_route_is_enough(world: World, case: Case) -> None:
    statuses = {record: call(world, case, [record]) for record in case.opened_by}
    assert all(status < 300 for status in statuses.values()), statuses


@pytest.mark.parametrize("case", CASES, ids=str)
def test_all_the_other_rules_together_do_not_open_it(world: World, case: Case) -> None:
    others = set(RULES) - set(case.opened_by)
    assert call(world, case, others) == 403
    assert call(world, case, []) == 403


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_default_roles_open_what_their_rules_say(world: World, case: Case) -> None:
    statuses = {role.name: call(world, case, role.rules) for role in DEFAULT_ROLES}
    opened = {name for name, status in statuses.items() if status < 300}
    assert opened == {role.name for role in DEFAULT_ROLES if set(role.rules) & set(case.opened_by)}
    assert {status for name, status in statuses.items() if name not in opened} <= {403}


@pytest.mark.parametrize("case", [case for case in CASES if case.whose != SELF], ids=str)
def test_nodes_and_strangers_to_the_server(world: World, case: Case) -> None:
    """A node may do what its role says, where nodes are admitted; without a token nobody may."""
    path = world.fill(f"/api{case.path}", case.whose)
    body = filled(world, case.body, case.whose)
    assert world.app.test_client().open(path, method=case.method, json=body).status_code == 401
    node = log_in(world.app, world.nodes[COLLEAGUE])
    answer = node.open(path, method=case.method, json=body)
    route = re.sub(r"{\w+}", "<id>", case.path)
    admitted = Kind.NODE in ADMISSION[route][case.method]
    if admitted and set(NODE.rules) & set(case.opened_by):
        assert answer.status_code < 300, answer.text
    else:
        assert answer.status_code == 403, answer.text


def test_results_of_a_task_are_not_shown_without_the_rule_for_results(world: World) -> None:
    client = world.user_with([rule("task", ORG, V)])
    task_id = world.tasks[COLLEAGUE].id
    assert client.get(f"/api/task/{task_id}?include=results").status_code == 403
    assert client.get("/api/task?include=results").status_code == 403
    assert client.get(f"/api/task/{task_id}/result").status_code == 403


def test_tasks_of_results_are_not_shown_without_the_rule_for_tasks(world: World) -> None:
    client = world.user_with([rule("result", ORG, V)])
    assert client.get("/api/result").status_code == 200
    assert client.get("/api/result?include=task").status_code == 403


def test_everybody_sees_the_own_account_the_own_roles_and_the_rules(world: World) -> None:
    client, caller = world.user_with([]), world.member(frozenset())
    assert client.get(f"/api/user/{caller.id}").status_code == 200
    assert client.get("/api/rule/1").status_code == 200
    default_roles = {"container", "node", "Root", "Viewer", "Researcher"}
    assert {role["name"] for role in client.get("/api/role").json} >= default_roles


BY_ID = [
    (method, route)
    for route, methods in ADMISSION.items()
    for method, admitted in methods.items()
    if "<id>" in route and Kind.USER in admitted and "rule" not in route
]


@pytest.mark.parametrize(("method", "route"), BY_ID)
def test_without_a_global_rule_existence_cannot_be_told(
    world: World, method: str, route: str
) -> None:
    client = world.user_with([record for record in RULES if record.scope is not GLO])
    resource = route.split("/")[1]
    body = {"id": world.stranger.id}

    def ask(id_: int) -> tuple[int, Any]:
        answer = client.open(f"/api{route.replace('<id>', str(id_))}", method=method, json=body)
        return answer.status_code, answer.json

    theirs, nobodys = ask(world.ids[resource][STRANGER]), ask(999)
    assert theirs == nobodys
    assert theirs[0] == 403


ROUTES = [(method, route) for route, methods in ADMISSION.items() for method in methods]


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_only_those_are_admitted_whom_the_table_names(
    world: World, method: str, route: str
) -> None:
    admitted = ADMISSION[route][method]
    refresh = route == "/token/refresh"
    path = "/api" + route.replace("<id>", "1").replace("<rule_id>", "1")
    with world.app.app_context():
        tokens = {
            Kind.USER: _token(Kind.USER, world.member(frozenset(RULES)).id, refresh),
            Kind.NODE: _token(Kind.NODE, world.nodes[COLLEAGUE].id, refresh),
            Kind.CONTAINER: container_token(world.tasks[COLLEAGUE].results[0]),
        }
    for kind, text in tokens.items():
        if admitted is ANONYMOUS or (refresh and kind is Kind.CONTAINER):
            continue
        answer = world.app.test_client().open(path, method=method, headers=bearer(text))
        refused = f"This is not for a {kind.value}" in answer.text
        assert refused == (kind not in admitted), (kind, answer.text)
        assert answer.status_code == 403 or not refused
    without = world.app.test_client().open(path, method=method)
    assert (without.status_code == 401) == (admitted is not ANONYMOUS)


def _token(kind: Kind, id_: int, refresh: bool) -> str:
    return token.refresh(kind, id_, 0, [], "x") if refresh else token.access(kind, id_, 0, [])


def test_a_node_reaches_what_its_organization_reaches(world: World) -> None:
    node = log_in(world.app, world.nodes[COLLEAGUE])
    assert ids(node.get("/api/node").json) == [world.nodes[COLLEAGUE].id]
    assert node.get(f"/api/node/{world.nodes[PARTNER].id}").status_code == 403
    assert ids(node.get("/api/organization").json) == [world.own.id, world.partner.id]
    assert node.patch(f"/api/organization/{world.partner.id}", json={}).status_code == 403
    assert node.get(f"/api/collaboration/{world.foreign.id}").status_code == 403
    assert node.get(f"/api/task/{world.tasks[STRANGER].id}").status_code == 403
    assert node.get(f"/api/result/{world.tasks[PARTNER].results[0].id}").status_code == 200


def test_a_container_reaches_its_own_run_only(world: World) -> None:
    own = world.tasks[COLLEAGUE]
    child = world.make.task(world.shared, world.partner, parent=own)
    container = log_in(world.app, own.results[0])
    assert ids(container.get("/api/task").json) == [child.id, own.id]
    assert ids(container.get("/api/result").json) == ids([child.results[0], own.results[0]])
    assert container.get(f"/api/task/{world.tasks[PARTNER].id}").status_code == 403
    assert container.get(f"/api/task/{world.tasks[PARTNER].id}/result").status_code == 403
    assert container.get(f"/api/result/{world.tasks[PARTNER].results[0].id}").status_code == 403
    assert ids(container.get("/api/port").json) == [world.ids["port"][COLLEAGUE]]
    assert container.get(f"/api/port/{world.ids['port'][PARTNER]}").status_code == 403
    assert container.get(f"/api/collaboration/{world.foreign.id}").status_code == 403
    assert container.get(f"/api/organization/{world.stranger.id}").status_code == 403
    assert IMAGE in container.get(f"/api/task/{own.id}").text


def test_the_database_holds_the_catalogue(world: World) -> None:
    rows = world.make.session.query(Rule).order_by(Rule.id)
    assert [(row.name, row.scope, row.operation) for row in rows] == [r.key for r in RULES]
    assert len(RULES) == 47
