"""Two of three hospitals are enough; the third, whose node is offline, answers late."""

from datetime import timedelta

import pytest

from development import average
from development.federation import Federation
from development.hospitals import rows_of
from vantage6.client.offline import NodesOffline
from vantage6.common.exceptions import PayloadDeleted, TaskFailed, TooFewOnline

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def members(image, hospitals, tmp_path_factory):
    """A federation of three, of which the last has not started its node."""
    folder = tmp_path_factory.mktemp("k-of-n") / "federation"
    federation = Federation(folder, hospitals, [f"^{image}$"])
    federation.prepare()
    federation.start_server()
    for hospital in hospitals[:2]:
        federation.start_node(hospital)
    federation.wait_for_nodes()
    yield federation
    federation.stop()


@pytest.fixture(scope="module")
def client(members):
    return members.client()


@pytest.fixture(scope="module")
def ids(members, client, hospitals):
    """The ids of the hospitals, in their order."""
    by_name = members.organization_ids(client)
    return [by_name[hospital.name] for hospital in hospitals]


@pytest.fixture(scope="module")
def ask(client, ids, image):
    """Ask all three for their partial sums."""

    def order(**limits):
        (collaboration,) = client.collaboration.list()
        return client.task.create(
            collaboration["id"], ids, image=image, input=average.partial_input(), **limits
        )

    return order


@pytest.fixture(scope="module")
def asked(ask, hospitals):
    """A task for two of three, and what was said of the third."""
    with pytest.warns(NodesOffline) as told:
        return ask(quorum=2), str(told[0].message)


@pytest.fixture(scope="module")
def over(asked, ask, client):
    """The same task once it is over, and one that was over at its deadline."""
    with pytest.warns(NodesOffline):
        short = ask(deadline=timedelta(seconds=3))
    values = client.task.wait(asked[0]["id"], timeout=240, by_organization=True)
    return asked[0]["id"], values, short["id"]


def test_the_offline_node_is_named_beforehand(asked, ask, client, ids, hospitals):
    assert hospitals[2].name in asked[1]
    assert not [hospital for hospital in hospitals[:2] if hospital.name in asked[1]]
    with pytest.raises(TooFewOnline, match=hospitals[2].name):
        ask(require_online=True)


def test_the_values_are_those_of_the_two(over, client, hospitals):
    id_, values, _ = over
    counts = {name: partial["count"] for name, partial in values.items()}
    rows = rows_of(hospitals)
    assert counts == {hospital.name: rows[hospital.name] for hospital in hospitals[:2]}
    task = client.task.get(id_)
    assert (task["complete"], task["status"], task["quorum"]) == (True, "completed", 2)


def test_at_a_deadline_it_is_told_who_is_missing(over, client, hospitals):
    with pytest.raises(TaskFailed, match="of the 3 answers it needs came in time") as caught:
        client.task.wait(over[2], timeout=240)
    assert hospitals[2].name in str(caught.value)


@pytest.fixture(scope="module")
def late(over, members, client, hospitals):
    """The runs once the third hospital has started its node and answered."""
    members.start_node(hospitals[2])
    node = members.services[hospitals[2].name]

    def runs():
        return client.request(f"task/{over[0]}/result")

    node.wait_until(lambda: all(run["finished_at"] for run in runs()), "answer late")
    return runs()


def test_a_late_answer_is_kept_marked_and_no_value(over, late, client, ids, hospitals):
    id_, values, _ = over
    assert {run["organization"]: run["late"] for run in late} == dict(
        zip(ids, (False, False, True), strict=True)
    )
    assert client.task.results(id_, by_organization=True) == values
    everything = client.task.results(id_, by_organization=True, late=True)
    assert everything[hospitals[2].name]["count"] == rows_of(hospitals)[hospitals[2].name]
    told = client.task.results(id_, allow_failures=True, by_organization=True)
    assert told.failures[hospitals[2].name].status == "late"


def test_what_is_deleted_on_request_is_gone_for_its_researcher(over, late, client):
    assert client.task.delete_payload(over[0])["runs"] == 3
    with pytest.raises(PayloadDeleted, match="deleted on"):
        client.task.results(over[0])
