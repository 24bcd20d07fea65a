"""The summary in numbers."""

from clients import Login
from factories import Factory

from vantage6.common.task_status import TaskStatus
from vantage6.server.model import User
from vantage6.server.permission.catalogue import Operation, Scope, rule


def test_who_sees_everything_counts_everything(make: Factory, login_as: Login, root: User) -> None:
    hospital = make.organization()
    study = make.collaboration(hospital, make.organization())
    make.node(hospital, study, status="online")
    make.node(hospital, make.collaboration(hospital))
    make.task(study)
    make.task(study, status=TaskStatus.COMPLETED)
    assert login_as(root).get("/api/stats").json == {
        "organizations": 3,
        "collaborations": 2,
        "nodes": 2,
        "nodes_online": 1,
        "users": 1,
        "tasks": 2,
        "open_results": 2,
    }


def test_others_count_what_they_see_and_nothing_else(make: Factory, login_as: Login) -> None:
    own = make.organization()
    make.task(make.collaboration(own))
    make.task(make.collaboration(make.organization()))
    user = make.user(own, rules=[rule("task", Scope.ORGANIZATION, Operation.VIEW)])
    counted = login_as(user).get("/api/stats").json
    assert counted.pop("tasks") == 1
    assert set(counted.values()) == {None}
