"""Who may call what: each route, by each identity, on the things of each.

The tables say what is promised; the server is asked whether it keeps it. Nothing is committed,
so one world serves all.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pytest
from clients import LoggedIn, Who, log_in
from databases import KINDS, fresh
from documented import Witness
from factories import IMAGE, Factory, ids
from flask import Flask
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from vantage6.server.app import create_app
from vantage6.server.model import Result, Rule, User
from vantage6.server.permission.catalogue import (
    ADMISSION,
    ANONYMOUS,
    RESOURCES,
    RULES,
    Admitted,
    Kind,
    Operation,
    RuleRecord,
    Scope,
    rule,
)
from vantage6.server.permission.role import CONTAINER, DEFAULT_ROLES, NODE
from vantage6.server.service import password, renewal, token

V, E, C, D = Operation
OWN, ORG, COL, GLO = Scope

# Whose things they are, seen from the organization of the caller.
SELF, COLLEAGUE, PARTNER, STRANGER = "self", "colleague", "partner", "stranger"

# What every default role holds, so that each may pass it on.
HELD_BY_ALL = rule("port", ORG, V)


class World:
    """Two organizations that work together, and one that does so with nobody here."""

    def __init__(self, app: Flask, session: Session) -> None:
        self.app, self.make = app, Factory(session)
        make = self.make
        self.own, self.partner, self.stranger = (make.organization() for _ in range(3))
        self.shared = make.collaboration(self.own, self.partner)
        self.foreign = make.collaboration(self.stranger)
        # Where nobody has a node yet.
        vacant = make.collaboration(self.own, self.partner), make.collaboration(self.stranger)
        self.nodes = {
            COLLEAGUE: make.node(self.own, self.shared),
            PARTNER: make.node(self.partner, self.shared),
            STRANGER: make.node(self.stranger, self.foreign),
        }
        self.tasks = {
            COLLEAGUE: make.task(self.shared, self.own, input="QUJD"),
            PARTNER: make.task(self.shared, self.partner, input="QUJD"),
            STRANGER: make.task(self.foreign, input="QUJD"),
        }
        for task in self.tasks.values():
            task.results[0].result = "QUJD"
        session.commit()
        organizations = {COLLEAGUE: self.own, PARTNER: self.partner, STRANGER: self.stranger}
        self.users = {whose: make.user(of) for whose, of in organizations.items()}
        roles = {whose: make.role(of, [HELD_BY_ALL]) for whose, of in organizations.items()}
        self.ids: dict[str, dict[str, int]] = {
            "organization": {whose: of.id for whose, of in organizations.items()},
            "collaboration": {
                COLLEAGUE: self.shared.id,
                PARTNER: self.shared.id,
                STRANGER: self.foreign.id,
            },
            "vacant": {
                COLLEAGUE: vacant[0].id,
                PARTNER: vacant[0].id,
                STRANGER: vacant[1].id,
            },
            "node": {whose: node.id for whose, node in self.nodes.items()},
            "task": {whose: task.id for whose, task in self.tasks.items()},
            "result": {whose: task.results[0].id for whose, task in self.tasks.items()},
            "port": {whose: make.port(task.results[0]).id for whose, task in self.tasks.items()},
            "user": {whose: user.id for whose, user in self.users.items()},
            "role": {whose: role.id for whose, role in roles.items()},
            "rule": dict.fromkeys(organizations, make.rule(HELD_BY_ALL).id),
            "upload": {whose: make.upload(node).id for whose, node in self.nodes.items()},
        }
        self.member = cache(self._member)
        self.refresh_token = cache(self._refresh_token)

    def user_with(self, rules: Iterable[RuleRecord]) -> LoggedIn:
        """A user of the own organization with these rules."""
        return log_in(self.app, self.member(frozenset(rules)))

    def call(self, case: "Case", who: Who | None) -> TestResponse:
        """The answer to somebody, or to nobody in particular."""
        client = log_in(self.app, who) if who else self.app.test_client()
        # A container has none.
        if who and not isinstance(who, Result) and case.route == "/token/refresh":
            client.token = self.refresh_token(who)
        caller = who if isinstance(who, User) else None
        answer: TestResponse = client.open(
            self.fill(f"/api{case.path}", case.whose, caller),
            method=case.method,
            json=self.fill_body(case.body, case.whose),
        )
        return answer

    def fill(self, template: str, whose: str, caller: User | None = None) -> str:
        """A path or text with the ids of those whose things it is about."""
        of = COLLEAGUE if whose == SELF else whose
        ids_ = {name: by_whose[of] for name, by_whose in self.ids.items()}
        if whose == SELF and caller:
            ids_["user"] = caller.id
        return template.format(**ids_)

    def fill_body(self, value: Any, whose: str) -> Any:
        """A body with ids in the place of their names."""
        match value:
            case dict():
                return {key: self.fill_body(item, whose) for key, item in value.items()}
            case list():
                return [self.fill_body(item, whose) for item in value]
            case str() if value.startswith("{"):
                return int(self.fill(value, whose))
            case _:
                return value

    def _member(self, rules: frozenset[RuleRecord]) -> User:
        user: User = self.make.user(self.own, rules=rules)
        return user

    def _refresh_token(self, who: Any) -> str:
        kind, session = Kind(who.type), self.make.session
        token_id = renewal.begin(session, kind, who.id)
        session.commit()
        with self.app.app_context():
            return token.refresh(kind, who.id, who.credential_version, [], token_id)


@pytest.fixture(scope="module", params=KINDS)
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with (
        fresh(request, tmp_path_factory.mktemp("world"), filled=True) as uri,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(password, "ROUNDS", 4)
        payloads = {"folder": str(tmp_path_factory.mktemp("payloads"))}
        app = create_app({"uri": uri, "jwt_secret_key": "x" * 40, "payloads": payloads})
        witness = Witness(app)
        database = app.extensions["database"]
        with database.sessions(bind=database.engine) as session:
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
    """One call on things of somebody.

    Attributes
    ----------
    opened_by : tuple of RuleRecord, optional
        The rules of which any one opens it; none where all may who are admitted.
    body : dict
    needs : tuple of RuleRecord
        What a caller must hold besides, to pass it on.
    status : int, optional
        What those get who are let in, where it is no success.
    container, node : bool, optional
        Whether it opens to the container or the node, where that does not follow from its rules.
    """

    method: str
    path: str
    whose: str
    opened_by: tuple[RuleRecord, ...] | None = None
    body: dict[str, Any] = field(default_factory=dict, compare=False, hash=False)
    needs: tuple[RuleRecord, ...] = ()
    status: int | None = None
    container: bool | None = None
    node: bool | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path} of {self.whose}"

    @property
    def route(self) -> str:
        """The route in the table of admissions."""
        path = self.path.partition("?")[0]
        return re.sub(r"{\w+}", "<rule_id>", re.sub(r"{\w+}", "<id>", path, count=1))

    @property
    def admitted(self) -> Admitted:
        """Who is admitted at all."""
        return ADMISSION[self.route][self.method]

    @property
    def names(self) -> set[str]:
        """What somebody's things there are in it."""
        return set(re.findall(r"{(\w+)}", f"{self.path} {self.body}")) - {"rule"}

    def admits(self, kind: Kind) -> bool:
        """Whether such a caller gets as far as the rules."""
        return self.admitted is ANONYMOUS or kind in self.admitted

    def opens_to(self, kind: Kind, rules: Iterable[RuleRecord]) -> bool:
        """Whether a caller with these rules is promised to be let in."""
        if not self.admits(kind):
            return False
        if kind is Kind.CONTAINER and self.container is not None:
            return self.container
        if kind is Kind.NODE and self.node is not None:
            return self.node
        return self.opened_by is None or not set(rules).isdisjoint(self.opened_by)

    def is_let_in(self, answer: TestResponse) -> bool:
        """Whether an answer shows that the caller was let in."""
        return answer.status_code == self.status if self.status else answer.status_code < 300


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
    needs: tuple[RuleRecord, ...] = (),
    **body: Any,
) -> list[Case]:
    """The cases of one call, from the scopes that open it for the things of each."""
    scopes = {COLLEAGUE: colleague, PARTNER: partner, STRANGER: stranger}
    if self_ is not None:
        scopes[SELF] = self_
    return [
        Case(
            method,
            path,
            whose,
            tuple(rule(name, scope, operation) for scope in opening),
            body,
            needs,
            # What a partner of the world asked for is of another run than that of the container.
            container=False if whose == PARTNER and name in OF_ONE_RUN else None,
        )
        for whose, opening in scopes.items()
    ]


def own_only(method: str, path: str, **body: Any) -> list[Case]:
    """The cases of what nodes do with what is theirs, without any rule."""
    return [
        Case(method, path, COLLEAGUE, None, body),
        Case(method, path, PARTNER, (), body),
        Case(method, path, STRANGER, (), body),
    ]


def without_rules(method: str, path: str, status: int | None = None, **body: Any) -> Case:
    """The case of what is about nobody's things, and open to all who are admitted."""
    return Case(method, path, COLLEAGUE, None, body, status=status)


OF_ONE_RUN = {"task", "result", "port"}


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
    *cases("POST", "/collaboration/{vacant}/node", "collaboration", E, id="{node}"),
    *cases("DELETE", "/collaboration/{collaboration}/node", "collaboration", E, id="{node}"),
    *cases("POST", "/node", "node", C, colleague=IN_OWN,
           collaboration_id="{vacant}", organization_id="{organization}"),
    *cases("GET", "/node/{node}", "node", V, colleague=IN_OWN),
    *cases("PATCH", "/node/{node}", "node", E, colleague=IN_OWN, name="new"),
    *cases("DELETE", "/node/{node}", "node", D, colleague=IN_OWN),
    *cases("POST", "/recover/node", "node", E, colleague=IN_OWN, id="{node}"),
    *cases("GET", "/task/{task}", "task", V, **MEMBER),
    *cases("DELETE", "/task/{task}", "task", D, **MEMBER),
    # Whoever is let in is told that a run is open.
    *(replace(case, status=409)
      for case in cases("DELETE", "/task/{task}/payload", "task", D, **MEMBER)),
    *cases("GET", "/collaboration/{collaboration}/task", "task", V, **MEMBER),
    *cases("GET", "/task/{task}/result", "result", V, **MEMBER),
    *cases("GET", "/result/{result}", "result", V, **MEMBER),
    *cases("GET", "/result/{result}/input", "result", V, **MEMBER),
    *cases("GET", "/result/{result}/output", "result", V, **MEMBER),
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
    *cases("DELETE", "/role/{role}", "role", D, colleague=IN_OWN, needs=(HELD_BY_ALL,)),
    *cases("POST", "/role/{role}/rule/{rule}", "role", E, colleague=IN_OWN, needs=(HELD_BY_ALL,)),
    *cases("DELETE", "/role/{role}/rule/{rule}", "role", D,
           colleague=IN_OWN, needs=(HELD_BY_ALL,)),
    *cases("POST", "/role", "role", C, colleague=IN_OWN,
           name="new", description="", organization_id="{organization}"),
    *cases("POST", "/collaboration", "collaboration", C,
           name="new", organization_ids=["{organization}"]),
    *(Case("DELETE", "/collaboration/{collaboration}/organization", whose,
           (rule("collaboration", GLO, E), rule("collaboration", GLO, D)),
           {"id": "{organization}"})
      for whose in (COLLEAGUE, PARTNER, STRANGER)),
    *(Case("POST", "/task", whose,
           (rule("task", ORG, C), rule("task", GLO, C)) if is_member else (),
           {"collaboration_id": "{collaboration}", "organizations": [{"id": "{organization}"}],
            "image": IMAGE},
           container=is_member)
      for whose, is_member in ((COLLEAGUE, True), (PARTNER, True), (STRANGER, False))),
    *(Case("POST", "/upload", whose,
           (rule("task", ORG, C), rule("task", GLO, C)) if is_member else (),
           {"collaboration_id": "{collaboration}", "size": 10, "form": "text"},
           container=is_member, node=is_member)
      for whose, is_member in ((COLLEAGUE, True), (PARTNER, True), (STRANGER, False))),
    # Each belongs to a node, and to nobody else.
    *(Case(method, "/upload/{upload}", whose, (), status=status, node=whose == COLLEAGUE)
      for whose in (COLLEAGUE, PARTNER, STRANGER)
      for method, status in (("GET", None), ("PATCH", 400), ("DELETE", None))),
    *own_only("PATCH", "/result/{result}", started_at="2026-01-01T00:00:00"),
    *own_only("POST", "/token/container", task_id="{task}", image=IMAGE),
    *own_only("POST", "/port", port=8888, result_id="{result}"),
    *own_only("DELETE", "/port?result_id={result}"),
    Case("POST", "/organization", COLLEAGUE, (rule("organization", GLO, C),), {"name": "new"}),
    Case("GET", "/collaboration", COLLEAGUE,
         (rule("collaboration", ORG, V), rule("collaboration", GLO, V))),
    Case("GET", "/organization", COLLEAGUE,
         tuple(rule("organization", scope, V) for scope in (ORG, COL, GLO))),
    Case("GET", "/node", COLLEAGUE, (rule("node", ORG, V), rule("node", GLO, V))),
    Case("GET", "/task", COLLEAGUE, (rule("task", ORG, V), rule("task", GLO, V))),
    Case("GET", "/result", COLLEAGUE, (rule("result", ORG, V), rule("result", GLO, V))),
    Case("GET", "/port", COLLEAGUE, (rule("port", ORG, V), rule("port", GLO, V))),
    Case("GET", "/user", COLLEAGUE, (rule("user", ORG, V), rule("user", GLO, V))),
    without_rules("GET", "/role"),
    without_rules("GET", "/rule"),
    without_rules("GET", "/rule/{rule}"),
    without_rules("GET", "/stats"),
    without_rules("GET", "/vpn", 501),
    without_rules("POST", "/vpn/update", 501, vpn_config="keys"),
    without_rules("POST", "/token/refresh"),
    without_rules("POST", "/claim", claim="a process"),
    without_rules("POST", "/claim/take", claim="a process", limit=1),
    # An empty body is refused for what it is by those who let the caller in.
    without_rules("PATCH", "/password/change", 400),
    without_rules("POST", "/recover/2fa/codes", 400),
    *(without_rules("POST", path, 400)
      for path in ("/token/user", "/token/node", "/recover/lost", "/recover/reset",
                   "/recover/2fa/lost", "/recover/2fa/reset")),
    *(without_rules("GET", path) for path in ("/version", "/health", "/health/fix")),
]
# fmt: on


FOR_USERS = [case for case in CASES if case.admits(Kind.USER)]
BY_RULES = [case for case in FOR_USERS if case.opened_by is not None]


def test_the_matrix_has_every_route_for_the_things_of_each() -> None:
    asked: dict[tuple[str, str], set[str]] = {}
    for case in CASES:
        asked.setdefault((case.method, case.route), set()).add(case.whose)
        if not case.names:
            asked[case.method, case.route] |= {PARTNER, STRANGER}
    assert {call: whose - {SELF} for call, whose in asked.items()} == {
        (method, route): {COLLEAGUE, PARTNER, STRANGER}
        for route, methods in ADMISSION.items()
        for method in methods
    }


def call(world: World, case: Case, rules: Iterable[RuleRecord]) -> TestResponse:
    """What a user with these rules gets."""
    return world.call(case, world.member(frozenset(rules)))


@pytest.mark.parametrize("case", FOR_USERS, ids=str)
def test_each_of_the_rules_that_open_a_route_is_enough(world: World, case: Case) -> None:
    enough = [()] if case.opened_by is None else [(record,) for record in case.opened_by]
    answers = {rules: call(world, case, (*rules, *case.needs)) for rules in enough}
    assert all(case.is_let_in(answer) for answer in answers.values()), answers


@pytest.mark.parametrize("case", BY_RULES, ids=str)
def test_all_the_other_rules_together_do_not_open_it(world: World, case: Case) -> None:
    others = set(RULES) - set(case.opened_by or ())
    assert call(world, case, others).status_code == 403
    assert call(world, case, []).status_code == 403


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_default_roles_open_what_their_rules_say(world: World, case: Case) -> None:
    answers = {role.name: call(world, case, role.rules) for role in DEFAULT_ROLES}
    opened = {name for name, answer in answers.items() if case.is_let_in(answer)}
    assert opened == {role.name for role in DEFAULT_ROLES if case.opens_to(Kind.USER, role.rules)}
    refused = [answer for name, answer in answers.items() if name not in opened]
    assert {answer.status_code for answer in refused} <= {403}
    assert all(_is_not_admitted(answer, Kind.USER) != case.admits(Kind.USER) for answer in refused)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_node_gets_what_its_role_opens(world: World, case: Case) -> None:
    answer = world.call(case, world.nodes[COLLEAGUE])
    assert case.is_let_in(answer) == case.opens_to(Kind.NODE, NODE.rules), answer.text
    assert case.is_let_in(answer) or answer.status_code == 403
    assert _is_not_admitted(answer, Kind.NODE) != case.admits(Kind.NODE)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_container_gets_what_its_role_and_its_run_open(world: World, case: Case) -> None:
    answer = world.call(case, world.tasks[COLLEAGUE].results[0])
    if case.route == "/token/refresh":
        assert answer.status_code == 401
        return
    assert case.is_let_in(answer) == case.opens_to(Kind.CONTAINER, CONTAINER.rules), answer.text
    assert case.is_let_in(answer) or answer.status_code == 403
    assert _is_not_admitted(answer, Kind.CONTAINER) != case.admits(Kind.CONTAINER)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_without_a_token_nobody_gets_what_asks_for_one(world: World, case: Case) -> None:
    answer = world.call(case, None)
    if case.admitted is ANONYMOUS:
        assert case.is_let_in(answer), answer.text
    else:
        assert answer.status_code == 401


def _is_not_admitted(answer: TestResponse, kind: Kind) -> bool:
    return f"This is not for a {kind.value}" in answer.text


@pytest.mark.parametrize("resource", RESOURCES)
def test_a_list_holds_what_each_may_see_by_itself(world: World, resource: str) -> None:
    callers: list[Who] = [world.member(frozenset(role.rules)) for role in DEFAULT_ROLES]
    callers += [world.nodes[COLLEAGUE], world.tasks[COLLEAGUE].results[0]]
    theirs = set(world.ids[resource].values())
    for who in callers:
        client = log_in(world.app, who)
        listed = client.get(f"/api/{resource}?per_page=1000")
        single = {id_ for id_ in theirs if client.get(f"/api/{resource}/{id_}").status_code == 200}
        if listed.status_code == 200:
            assert set(ids(listed.json)) & theirs == single
        else:
            # The container and node roles of people, and who may see one but never all.
            assert listed.status_code == 403


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
    assert [row.key for row in rows] == [r.key for r in RULES]
    assert len(RULES) == 47
