"""Many at once on a served server, on each database: no error, nothing lost, nothing twice."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from clients import bearer
from served import Served, write_config
from sqlalchemy import create_engine
from tables import dangling

from development.postgres import Postgres

CLIENTS, TASKS_EACH = 20, 3
PATIENCE = 120
# The id of the role in a fresh database.
RESEARCHER = 5


class Caller:
    """Somebody who is logged in, with a connection of its own."""

    def __init__(self, url: str, token: str) -> None:
        self._url = f"{url}/api/"
        self._http = requests.Session()
        self._http.headers.update(bearer(token))
        self.statuses: Counter[int] = Counter()

    def call(self, method: str, path: str, body: object = None) -> Any:
        """What the server answers, of which the status is kept too."""
        answer = self._http.request(method, self._url + path, json=body, timeout=PATIENCE)
        self.statuses[answer.status_code] += 1
        return answer.json()

    def close(self) -> None:
        """Hang up."""
        self._http.close()


class Study:
    """A server with one collaboration of three hospitals, each with a node."""

    def __init__(self, server: Served) -> None:
        self._server = server
        self.callers: list[Caller] = []
        self.root = self.caller(server.token())
        self.hospitals = [
            self.root.call("POST", "organization", {"name": f"hospital {number}"})["id"]
            for number in range(3)
        ]
        body = {"name": "study", "encrypted": False, "organization_ids": self.hospitals}
        self.id = self.root.call("POST", "collaboration", body)["id"]
        self.nodes = {hospital: self._node(hospital) for hospital in self.hospitals}
        token = self._researcher()
        self.researchers = [self.caller(token) for _ in range(CLIENTS)]

    def caller(self, token: str) -> Caller:
        """Somebody who holds a token."""
        self.callers.append(Caller(self._server.url, token))
        return self.callers[-1]

    def create_task(self, caller: Caller) -> int:
        """A task for all three hospitals; its id."""
        body = {
            "name": "task",
            "image": "registry.example/algorithm:1",
            "collaboration_id": self.id,
            "organizations": [{"id": hospital, "input": ""} for hospital in self.hospitals],
        }
        made: int = caller.call("POST", "task", body)["id"]
        return made

    def _node(self, hospital: int) -> str:
        place = {"organization_id": hospital, "collaboration_id": self.id}
        node = self.root.call("POST", "node", place)
        answer = self._server.post("token/node", {"api_key": node["api_key"]})
        token: str = answer.json()["access_token"]
        return token

    def _researcher(self) -> str:
        account = {"username": "ada", "password": "Passw0rd!"}
        others = {"firstname": "", "lastname": "", "email": "ada@hospital.example"}
        place = {"organization_id": self.hospitals[0], "roles": [RESEARCHER]}
        self.root.call("POST", "user", {**account, **others, **place})
        return self._server.token(account["username"], account["password"])


@pytest.fixture
def served_uri(empty_uri: str) -> str:
    """Where the database of the served server is."""
    return empty_uri


@pytest.fixture
def study(served_uri: str, tmp_path: Path) -> Iterator[Study]:
    # Nobody reads what it prints meanwhile, and a full pipe would stop it.
    quiet = {"level": "WARNING", "file": "server.log", "use_console": False}
    with Served("--config", write_config(tmp_path, uri=served_uri, logging=quiet)) as server:
        study = Study(server)
        yield study
        for caller in study.callers:
            caller.close()
        assert server.terminate() == 0


def at_once(*work: Callable[[], object]) -> list[Any]:
    """Do everything at the same time; what each returned."""
    start = threading.Barrier(len(work))

    def after_start(each: Callable[[], object]) -> object:
        start.wait()
        return each()

    with ThreadPoolExecutor(len(work)) as threads:
        return list(threads.map(after_start, work))


def test_ten_programs_of_one_user_may_log_in_at_the_same_time(study: Study) -> None:
    programs = [study.caller("") for _ in range(10)]
    account = {"username": "root", "password": "root"}
    at_once(*(lambda each=each: each.call("POST", "token/user", account) for each in programs))
    assert sum((each.statuses for each in programs), Counter()) == {200: 10}


def test_creating_claiming_ending_and_deleting(study: Study, served_uri: str) -> None:
    """Every run is ended once, whoever says so first; what is deleted is gone as a whole."""
    reporters = {
        study.caller(token): hospital for hospital, token in study.nodes.items() for _ in range(2)
    }
    all_made = threading.Event()
    ended: Counter[int] = Counter()

    def create(caller: Caller) -> list[int]:
        made = [study.create_task(caller) for _ in range(TASKS_EACH)]
        caller.call("DELETE", f"task/{made[0]}")
        return made[1:]

    def report(caller: Caller) -> None:
        last_round = False
        while not last_round:
            last_round = all_made.is_set()
            own = f"result?state=open&organization_id={reporters[caller]}"
            for run in caller.call("GET", own):
                caller.call("PATCH", f"result/{run['id']}", {"status": "active"})
                before = caller.statuses[200]
                caller.call("PATCH", f"result/{run['id']}", {"status": "completed", "result": "42"})
                ended[run["id"]] += caller.statuses[200] - before

    with ThreadPoolExecutor(len(reporters)) as threads:
        reports = [threads.submit(report, reporter) for reporter in reporters]
        try:
            made = at_once(*(lambda each=each: create(each) for each in study.researchers))
        finally:
            all_made.set()
        for each in reports:
            each.result()

    kept = {task for tasks in made for task in tasks}
    tasks = study.root.call("GET", "task?include=results")
    assert {task["id"] for task in tasks} == kept
    assert {task["status"] for task in tasks} == {"completed"}
    runs = {run["id"] for task in tasks for run in task["results"]}
    assert len(runs) == 3 * len(kept)
    assert {ended[run] for run in runs} == {1}
    for caller in study.researchers:
        assert caller.statuses == {201: TASKS_EACH, 200: 1}
    for reporter in reporters:
        # 400: somebody ended it before; 403: it was deleted before.
        assert reporter.statuses.keys() <= {200, 400, 403}
    engine = create_engine(served_uri)
    with engine.connect() as connection:
        assert dangling(connection) == []
    engine.dispose()


def test_two_processes_of_a_node_claim_the_same_runs(study: Study) -> None:
    """Every run is for one of them; what keeps claims and what kills does not get in the way."""
    hospital, token = next(iter(study.nodes.items()))
    processes = {name: [study.caller(token) for _ in range(3)] for name in ("one", "other")}
    tasks = [study.create_task(study.researchers[0]) for _ in range(12)]
    runs = study.root.call("GET", f"result?state=open&organization_id={hospital}&per_page=100")
    assert len(runs) == len(tasks)

    def claim(name: str, caller: Caller) -> list[int]:
        got = []
        for run in runs:
            before = caller.statuses[200]
            caller.call("PATCH", f"result/{run['id']}", {"claim": name})
            got += [run["id"]] * (caller.statuses[200] - before)
            caller.call("POST", "claim", {"claim": name})
        return got

    def kill() -> None:
        study.root.call("POST", "kill/task", {"id": tasks[-1]})

    claims = [(name, each) for name, callers in processes.items() for each in callers]
    work = [lambda name=name, each=each: (name, claim(name, each)) for name, each in claims]
    *answers, _ = at_once(*work, kill)
    one, other = ({run for who, got in answers if who == name for run in got} for name in processes)
    assert one.isdisjoint(other)
    killed = {run["id"] for run in study.root.call("GET", "result?state=stopping&per_page=100")}
    assert one | other >= {run["id"] for run in runs} - killed
    for _, caller in claims:
        assert caller.statuses.keys() <= {200, 400, 409}


def test_many_take_the_same_runs_while_they_are_made_and_killed(study: Study) -> None:
    """Every run is taken by one, once, whoever else takes, keeps and kills meanwhile."""
    hospital, token = next(iter(study.nodes.items()))
    processes = [(name, study.caller(token)) for name in ("one", "other") for _ in range(3)]
    all_made = threading.Event()

    def take(name: str, caller: Caller) -> list[tuple[int, str]]:
        got, last_round = [], False
        while not last_round:
            is_late = all_made.is_set()
            taken = caller.call("POST", "claim/take", {"claim": name, "limit": 2})
            caller.call("POST", "claim", {"claim": name})
            got += [(run["id"], run["claim"]) for run in taken]
            last_round = is_late and not taken
        return got

    with ThreadPoolExecutor(len(processes)) as threads:
        takes = [threads.submit(take, name, caller) for name, caller in processes]
        try:
            tasks = [study.create_task(study.researchers[0]) for _ in range(12)]
            study.root.call("POST", "kill/task", {"id": tasks[-1]})
        finally:
            all_made.set()
        got = [one for each in takes for one in each.result()]

    taken = Counter(run for run, _ in got)
    assert set(taken.values()) == {1}
    runs = study.root.call("GET", f"result?organization_id={hospital}&per_page=100")
    killed = {run["id"] for run in runs if run["status"] == "killed by user"}
    assert taken.keys() | killed == {run["id"] for run in runs}
    holders = {run["id"]: run["claim"] for run in runs if run["id"] not in killed}
    assert holders == {run: name for run, name in got if run not in killed}
    for _, caller in processes:
        assert caller.statuses.keys() == {200}


def test_everybody_changes_the_same(study: Study) -> None:
    """Who changes the same things at the same time is done one after the other."""
    body = {"name": "new", "description": "", "rules": []}
    role = study.root.call("POST", "role", body)["id"]
    token = study._server.token()
    changes = [study.caller(token) for _ in range(10)]

    def change(number: int, caller: Caller) -> None:
        for step in range(5):
            rules = sorted({1 + (number + step) % 7, 1 + (number * step) % 7})
            caller.call("PATCH", f"role/{role}", {"rules": rules})

    at_once(*(lambda n=n, c=c: change(n, c) for n, c in enumerate(changes)))
    assert sum((caller.statuses for caller in changes), Counter()) == {200: 50}


def test_a_study_is_deleted_while_it_is_used(study: Study, served_uri: str) -> None:
    def create(caller: Caller) -> None:
        for _ in range(TASKS_EACH):
            caller.call("POST", "task", {
                "image": "registry.example/algorithm:1",
                "collaboration_id": study.id,
                "organizations": [{"id": study.hospitals[0]}],
            })  # fmt: skip

    def delete() -> None:
        study.root.call("DELETE", f"collaboration/{study.id}")

    at_once(delete, *(lambda each=each: create(each) for each in study.researchers))
    for caller in study.researchers:
        assert caller.statuses.keys() <= {201, 400, 403}, caller.statuses
    assert study.root.call("GET", "task") == []
    assert study.root.call("GET", "node") == []
    engine = create_engine(served_uri)
    with engine.connect() as connection:
        assert dangling(connection) == []
    engine.dispose()


class TestWithoutDatabase:
    @pytest.fixture
    def served_uri(self, postgres: Postgres) -> Iterator[str]:
        uri = postgres.create()
        yield uri
        postgres.drop(uri)

    def test_a_server_whose_database_goes_away_says_so_and_recovers(
        self, study: Study, served_uri: str, postgres: Postgres
    ) -> None:
        at_once(*(lambda each=each: each.call("GET", "task") for each in study.researchers))
        postgres.shut(served_uri)
        answers = at_once(
            *(lambda each=each: each.call("GET", "task") for each in study.researchers),
            lambda: study.root.call("POST", "organization", {"name": "lost"}),
        )
        assert {answer["msg"] for answer in answers} == {"The database is not available"}
        assert study.root.statuses[503] == 1
        postgres.reopen(served_uri)
        before = [each.statuses.copy() for each in study.researchers]
        at_once(*(lambda each=each: each.call("GET", "task") for each in study.researchers))
        for caller, statuses in zip(study.researchers, before, strict=True):
            assert caller.statuses - statuses == {200: 1}
            assert caller.statuses == {200: 2, 503: 1}

    def test_connections_that_break_are_replaced(
        self, study: Study, served_uri: str, postgres: Postgres
    ) -> None:
        at_once(*(lambda each=each: each.call("GET", "task") for each in study.researchers))
        postgres.disconnect(served_uri)
        at_once(*(lambda each=each: each.call("GET", "task") for each in study.researchers))
        assert {status for each in study.researchers for status in each.statuses} == {200}
