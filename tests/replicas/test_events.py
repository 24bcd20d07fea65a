"""What happens at one replica, seen at another."""

from participants import Participants

from development.replicas import Replicas, wait_until


def test_a_task_made_at_one_reaches_the_node_at_the_other(
    members: Replicas, people: Participants
) -> None:
    node = people.listen(members[1], people.node)
    task = people.order(members[0])
    node.hear_of_task(task["id"])


def test_a_kill_at_one_reaches_the_node_at_the_other(
    members: Replicas, people: Participants
) -> None:
    node = people.listen(members[1], people.node)
    task = people.order(members[0])
    people.ask(members[0], people.researcher, "POST", "kill/task", id=task["id"])
    node.hear_of_kill(task["id"])


def test_who_waits_at_one_is_answered_by_a_result_at_the_other(
    members: Replicas, people: Participants
) -> None:
    assert people.answer_who_waits(members[1], members[0])["complete"] is True


def test_a_state_reported_at_one_is_told_to_researchers_at_the_other(
    members: Replicas, people: Participants
) -> None:
    listener = people.listen(members[1], people.researcher)
    task = people.order(members[0])
    people.answer(members[0], task["results"][0]["id"])
    told = [listener.wait_for("status_update")["status"] for _ in range(2)]
    assert told == ["pending", "completed"]


def test_what_a_node_says_of_a_container_is_told_at_the_other(
    members: Replicas, people: Participants
) -> None:
    listener = people.listen(members[1], people.researcher)
    node = people.listen(members[0], people.node)
    task = people.order(members[0])
    failure = {
        "node_id": 4,
        "status_code": 3,
        "result_id": task["results"][0]["id"],
        "collaboration_id": 1,
    }
    node.call("container_failed", failure)
    assert listener.wait_for("container_failed") == task["run_id"]


def test_a_node_deleted_at_one_loses_its_socket_at_the_other(
    members: Replicas, people: Participants
) -> None:
    root = members.token()
    organization = people.ask(members[0], root, "POST", "organization", name="Gamma")
    study = people.ask(
        members[0],
        root,
        "POST",
        "collaboration",
        name="another study",
        organization_ids=[organization["id"]],
        encrypted=False,
    )
    place = {"organization_id": organization["id"], "collaboration_id": study["id"]}
    made = people.ask(members[0], root, "POST", "node", **place)
    token = members.post("token/node", {"api_key": made["api_key"]}).json()["access_token"]
    node = people.listen(members[1], token)
    people.ask(members[0], root, "DELETE", f"node/{made['id']}")
    assert node.wait_until_gone()


def test_users_at_all_replicas_hear_that_a_node_comes_and_goes(
    members: Replicas, people: Participants
) -> None:
    watchers = [people.listen(one, people.researcher, "/admin") for one in members]
    node = people.listen(members[0], people.node)
    for watcher in watchers:
        watcher.wait_for("node-status-changed")
    node.close()
    for watcher in watchers:
        watcher.wait_for("node-status-changed")


def test_a_room_at_one_hears_who_joins_it_at_the_other(
    members: Replicas, people: Participants
) -> None:
    listener = people.listen(members[0], people.researcher)
    people.listen(members[1], people.node)
    said = ""
    while not said.startswith("Node"):
        said = listener.wait_for("message")
    assert said.endswith("joined room <collaboration_1>")


def test_a_replica_that_dies_leaves_no_queue(members: Replicas, people: Participants) -> None:
    # One for each, which is its own.
    wait_until(lambda: len(members.broker.queues()) == len(members), "each has a queue")
    members.kill(1)
    wait_until(lambda: len(members.broker.queues()) == 1, "the queue of the dead one is gone")
    for _ in range(20):
        people.order(members[0])
    assert all(waiting < 20 for waiting in members.broker.queues().values())
