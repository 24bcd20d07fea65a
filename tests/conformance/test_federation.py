"""Whole federations with classic parts: their clients and node, our server, node and images."""

import pytest

from development import average, classic
from development.federation import Federation
from development.hospitals import rows_of
from tests.conformance import classic_node
from tests.conformance.federations import ShortLived, running, wait_until

pytestmark = pytest.mark.docker

GHOST_IMAGE = "v6-there-is-no-such-image:1"
ALLOWED = [f"^{GHOST_IMAGE}$", "^v6-average-py:.*$"]
RENEWED = "Token refreshed"
SYNCED = "Tasks synced again with the server"


@pytest.fixture(scope="session")
def hospitals(tmp_path_factory):
    """The first one has our node, the second one the classic node."""
    ours, theirs, _ = average.hospitals(tmp_path_factory.mktemp("hospitals"))
    # a pickle, which the classic client sends unless told otherwise, is read only where allowed
    ours.node_config["allow_pickle"] = True
    pickles = {"algorithm_env": {"ALLOW_PICKLE": "true"}}
    return [ours, classic_node.hospital(theirs.name, theirs.database, **pickles)]


@pytest.fixture(scope="session")
def encrypted(image, hospitals, pythons, tmp_path_factory):
    federation = Federation(tmp_path_factory.mktemp("encrypted") / "f", hospitals, ALLOWED)
    with running(federation, pythons[classic.NODE]):
        yield federation


@pytest.fixture(scope="session")
def plain(image, hospitals, pythons, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain") / "f"
    federation = Federation(folder, hospitals, ALLOWED, encrypted=False)
    with running(federation, pythons[classic.NODE]):
        yield federation


@pytest.fixture
def log_in(remote, hospitals):
    """The classic client of the researcher at our hospital, with its key."""

    def log_in(federation):
        client = remote.log_in(federation.url, federation.researcher, federation.password)
        key = federation.private_key(hospitals[0])
        client.setup_encryption(str(key) if federation.encrypted else None)
        return client

    return log_in


def create(client, input_, *hospitals, image, **options):
    """Have a client of whatever line create a task; its id."""
    rows = client.organization.list(include_metadata=False)
    assert isinstance(rows, list), rows
    ids = {row["name"]: row["id"] for row in rows}
    (collaboration,) = client.collaboration.list()
    return client.task.create(
        collaboration=collaboration["id"],
        organizations=[ids[hospital.name] for hospital in hospitals],
        name="t",
        image=image,
        description="",
        input=input_,
        **options,
    )["id"]


def answers(client, task):
    client.wait_for_results(task, sleep=0.2)
    return [row["result"] for row in client.result.list(task=task)["data"]]


@pytest.mark.parametrize(
    ("federation", "at"),
    [("encrypted", 0), ("encrypted", 1), ("plain", 1)],
    ids=["encrypted, at our node", "encrypted, at the classic node", "plain, at the classic node"],
)
def test_a_mean_over_both_nodes(federation, at, image, hospitals, log_in, request):
    """The central part asks both nodes, through the proxy of the node it runs on."""
    researcher = log_in(request.getfixturevalue(federation))
    task = create(
        researcher, average.central_input(), hospitals[at], image=image, data_format="json"
    )
    (answer,) = answers(researcher, task)
    assert answer["average"] == pytest.approx(average.pooled_mean(hospitals), rel=1e-12)
    counts = [site["count"] for site in answer["organizations"]]
    assert sorted(counts) == sorted(rows_of(hospitals).values())
    (child,) = researcher.task.list(parent=task)["data"]
    runs = researcher.request(f"task/{child['id']}/result")
    assert [run["status"] for run in runs] == ["completed", "completed"]
    assert all(run["started_at"] < run["finished_at"] for run in runs)


def test_the_format_that_the_classic_client_has_by_default(plain, image, hospitals, log_in):
    researcher = log_in(plain)
    task = create(researcher, average.partial_input(), *hospitals, image=image)
    found = answers(researcher, task)
    rows = rows_of(hospitals)
    assert sorted(answer["count"] for answer in found) == sorted(rows.values())


def test_a_function_that_fails_on_the_classic_node(encrypted, image, hospitals):
    client = encrypted.client()
    missing = {"method": "average_partial", "kwargs": {"column_name": "no such column"}}
    task = create(client, missing, hospitals[1], image=image)
    client.wait_for_results(task)
    (run,) = client.request(f"task/{task}/result")
    assert run["status"] == "failed"
    assert run["finished_at"]
    assert "no such column" in run["log"]
    assert client.task.get(task)["status"] == "failed"


def test_an_image_that_the_classic_node_does_not_find(encrypted, hospitals):
    client = encrypted.client()
    task = create(client, average.partial_input(), hospitals[1], image=GHOST_IMAGE)
    client.wait_for_results(task)
    (run,) = client.request(f"task/{task}/result")
    assert run["status"] == "failed"


def test_nodes_and_clients_stay_while_tokens_and_servers_go(image, hospitals, pythons, tmp_path):
    """The classic node never stores a new refresh token."""
    federation = ShortLived(tmp_path / "f", hospitals, ALLOWED, encrypted=False)
    with running(federation, pythons[classic.NODE]) as node:
        client = federation.client()
        # Lost while it connects anew, it would stay away: a fault of its own.
        wait_until(lambda: node.said().count(RENEWED) >= 2 and has_settled(node), node)
        federation.services["server"].ask_to_stop()
        federation.services["server"].wait_for_end()
        renewals = node.said().count(RENEWED)
        # its token is short-lived yet, the next one lasts
        federation.life = 3600
        federation.start_server()
        wait_until(lambda: node.said().count(RENEWED) > renewals and has_settled(node), node)
        task = create(client, average.partial_input(), *hospitals, image=image)
        wait_until(lambda: client.task.get(task)["complete"], node)
        assert client.task.get(task)["status"] == "completed"


def has_settled(node):
    """Whether it has looked for open runs twice: it would start what it finds each time."""
    return node.said().rpartition(RENEWED)[2].count(SYNCED) >= 2
