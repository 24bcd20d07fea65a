"""One federated mean over three hospitals, and who gets to see what of it."""

import sqlite3

import pytest

from development import average
from development.hospitals import rows_of
from vantage6.common.encryption import RSACryptor, is_envelope
from vantage6.common.envelope import is_authenticated_envelope

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def done(client, create):
    task = create(average.central_input())
    return task, client.task.wait(task["id"])


def test_the_federated_mean_is_the_pooled_mean(done, hospitals):
    (answer,) = done[1]
    assert answer["average"] == pytest.approx(average.pooled_mean(hospitals), rel=1e-12)


def test_each_hospital_answers_with_its_own_rows(done, client, hospitals):
    (answer,) = done[1]
    rows = rows_of(hospitals)
    assert len(set(rows.values())) == 3
    counts = [site["count"] for site in answer["organizations"]]
    assert sorted(counts) == sorted(rows.values())


def test_the_task_tree_tells_what_ran_where(done, client):
    task = client.task.get(done[0]["id"])
    assert (task["complete"], task["status"]) == (True, "completed")
    (child,) = client.task.list(parent=task["id"])["data"]
    runs = client.request(f"task/{child['id']}/result")
    assert {run["status"] for run in runs} == {"completed"}
    assert len({run["organization"] for run in runs}) == 3
    assert all(run["started_at"] < run["finished_at"] for run in runs)


def test_the_server_sees_nothing_but_envelopes(done, federation):
    database = federation.server_config.parent / "server.sqlite"
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        query = "select input, result from result where task_id >= ? and status = 'completed'"
        rows = connection.execute(query, [done[0]["id"]]).fetchall()
    connection.close()
    assert len(rows) >= 4
    assert all(is_authenticated_envelope(text) for row in rows for text in row)


def test_the_classic_call_gives_the_decrypted_bytes(done, client):
    (result,) = client.wait_for_results(done[0]["id"])
    assert result["result"].startswith(b"json.")


def test_partials_are_not_for_other_organizations(done, federation, client):
    """A partial is encrypted for the organization whose central container asked for it."""
    (child,) = client.task.list(parent=done[0]["id"])["data"]
    other = federation.client()
    other.cryptor = RSACryptor(federation.private_key(federation.hospitals[1]))
    results = other.get_results(task_id=child["id"])
    assert len(results) == 3
    assert all(is_envelope(result["result"]) for result in results)
