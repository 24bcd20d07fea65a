"""Tasks and their results, with a node that is a script: no container is needed for these."""

import base64
import json

import pytest


def encoded(value):
    """A result as a node sends it where nothing is encrypted."""
    return base64.b64encode(b"json." + json.dumps(value).encode()).decode()


def test_a_run_from_its_start_to_its_end(root, node):
    run = node.new_run(root, {"method": "sum"})
    waiting = root.result.get(run)
    assert waiting["input"] == {"method": "sum"} or waiting["input"] == b'json.{"method": "sum"}'
    assert (waiting["started_at"], waiting["finished_at"], waiting["result"]) == (None, None, None)
    node.start(run)
    assert root.result.get(run)["started_at"]
    node.finish(run, encoded({"sum": 3}))
    done = root.result.get(run, include_task=True)
    assert done["result"] == {"sum": 3}
    assert done["log"] == "the log"
    assert done["started_at"] < done["finished_at"]
    assert done["task"]["complete"] is True


def test_what_the_node_gets_to_do_names_the_task_and_the_organization_in_full(root, node):
    run = node.new_run(root)
    (row,) = [row for row in node.open_runs() if row["id"] == run]
    assert row["task"]["image"] == "image"
    assert row["task"]["database"] == "default"
    assert row["organization"]["id"] == node.organization
    assert row["input"]
    task = node.ask("get", f"task/{row['task']['id']}")
    # it looks up the key to encrypt for by this number
    assert task["initiator"] == node.organization


def test_waiting_for_results(root, node):
    run = node.new_run(root)
    node.start(run)
    node.finish(run, encoded([1, 2]))
    task = root.result.get(run)["task"]["id"]
    (result,) = root.wait_for_results(task, sleep=0)
    assert result["result"] == b"json.[1, 2]"
    (result,) = root.result.from_task(task)
    assert result["result"] == [1, 2]
    (result,) = root.result.list(task=task)["data"]
    assert result["result"] == [1, 2]
    (result,) = root.get_results(task_id=task)
    assert result["result"] == b"json.[1, 2]"
    (result,) = root.request(f"task/{task}/result")
    assert (result["task"], result["organization"]) == (task, node.organization)


def test_filters_of_tasks_and_results(root, node):
    run = node.new_run(root)
    task = root.result.get(run)["task"]["id"]
    user, own = root.whoami.value[1], root.whoami.value[4]
    found = root.task.list(
        initiator=own,
        initiating_user=user,
        collaboration=node.collaboration,
        image="image",
        name="t",
        database="default",
        result=run,
    )
    assert [row["id"] for row in found["data"]] == [task]
    found = root.task.list(run=root.task.get(task)["run_id"])
    assert [row["id"] for row in found["data"]] == [task]
    assert root.task.list(parent=task)["data"] == []
    found = root.result.list(
        task=task,
        organization=own,
        state="open",
        node=node.id,
        assigned=("2020-01-01", "2120-01-01"),
        include_task=True,
    )
    assert [row["id"] for row in found["data"]] == [run]
    assert root.result.list(task=task, finished=("2020-01-01", "2120-01-01"))["data"] == []
    assert root.result.list(task=task, port=1)["data"] == []


def test_filters_that_came_later_in_the_line(root, node, version):
    if version == "client-3.5.2":
        run = node.new_run(root)
        assert root.request(f"task?status=pending&result_id={run}")
        return
    run = node.new_run(root)
    found = root.task.list(status="pending", result=run)
    assert len(found["data"]) == 1
    assert root.task.list(status="completed", result=run)["data"] == []


def test_a_report_without_a_start_ends_the_run_as_well(root, node):
    run = node.new_run(root)
    node.finish(run, encoded(1))
    assert root.result.get(run)["result"] == 1


@pytest.mark.parametrize("result", ["", None])
def test_a_run_that_ends_with_nothing_is_not_a_success(root, node, result):
    run = node.new_run(root)
    assert node.start(run)["status"] not in ("pending", "completed")
    assert node.finish(run, result)["status"] == "failed"
    row = root.request(f"result/{run}")
    task = root.task.get(row["task"]["id"])
    assert (row["status"], task["complete"], task["status"]) == ("failed", True, "failed")


def test_killing_what_runs(root, node, version):
    """By the methods of the later client, or the requests behind them."""
    first, second = node.new_run(root), node.new_run(root)
    task = root.result.get(first)["task"]["id"]
    if version == "client-3.5.2":
        root.request("kill/task", json={"id": task}, method="post")
    else:
        root.task.kill(task)
    (row,) = root.request(f"task/{task}/result")
    assert (row["status"], row["id"]) == ("killed by user", first)
    assert row["finished_at"]
    if version == "client-3.5.2":
        root.request("kill/node/tasks", json={"id": node.id}, method="post")
    else:
        root.node.kill_tasks(node.id)
    assert root.request(f"result/{second}")["status"] == "killed by user"
    assert node.open_runs() == []


def test_deleting_a_task(root, node):
    run = node.new_run(root)
    task = root.result.get(run)["task"]["id"]
    root.task.delete(task)
    assert root.task.get(task)["msg"]
    assert root.request(f"result/{run}")["msg"]


def test_a_refresh_token_that_the_node_keeps_goes_on_working(node):
    """The classic node stores no new one, so that a renewal extends the one it has."""
    kept = {"Authorization": f"Bearer {node.tokens['refresh_token']}"}
    access = node._headers
    node._headers = kept
    try:
        renewed = [node.ask("post", "token/refresh")["access_token"] for _ in range(3)]
    finally:
        node._headers = access
    assert len(set(renewed)) == 3
