"""Who is online, with several replicas of which some die."""

from participants import Participants

from development.replicas import Replicas, wait_until

# As long as it may be wrong after a replica died.
PATIENCE = 60.0


def node_id(members: Replicas, people: Participants) -> int:
    nodes = people.ask(members[0], people.researcher, "GET", "node?per_page=100")
    return int(nodes[0]["id"])


def deaths(members: Replicas) -> int:
    """How often the second replica has noticed that another one is gone."""
    return members[1].log.read_text(encoding="utf-8").count("taken for dead")


def test_a_node_is_online_wherever_it_is_connected(members: Replicas, people: Participants) -> None:
    id_ = node_id(members, people)
    first = people.listen(members[0], people.node)
    second = people.listen(members[1], people.node)
    assert [people.status(one, id_) for one in members] == ["online", "online"]
    first.close()
    assert people.status(members[0], id_) == "online"
    second.close()
    wait_until(lambda: people.status(members[0], id_) == "offline", "it is offline")


def test_a_node_that_came_back_elsewhere_stays_online_when_its_old_replica_notices(
    members: Replicas, people: Participants
) -> None:
    id_ = node_id(members, people)
    old = people.listen(members[0], people.node)
    people.listen(members[1], people.node)
    watcher = people.listen(members[1], people.researcher, "/admin")
    old.close()
    watcher.wait_for("node-status-changed")
    assert people.status(members[1], id_) == "online"


def test_a_node_of_a_replica_that_was_killed_is_offline_soon(
    members: Replicas, people: Participants
) -> None:
    id_ = node_id(members, people)
    people.listen(members[0], people.node)
    watcher = people.listen(members[1], people.researcher, "/admin")
    assert people.status(members[1], id_) == "online"
    members.kill(0)
    wait_until(lambda: people.status(members[1], id_) == "offline", "it is offline", PATIENCE)
    watcher.wait_for("node-status-changed")


def test_a_node_that_moved_to_another_replica_outlives_the_first_one(
    members: Replicas, people: Participants
) -> None:
    id_ = node_id(members, people)
    people.listen(members[0], people.node)
    before = deaths(members)
    members.kill(0)
    people.listen(members[1], people.node)
    wait_until(lambda: deaths(members) > before, "its death is known", PATIENCE)
    assert people.status(members[1], id_) == "online"


def test_a_replica_that_stops_takes_leave_at_once(members: Replicas, people: Participants) -> None:
    id_ = node_id(members, people)
    people.listen(members[0], people.node)
    members.stop(0)
    assert people.status(members[1], id_) == "offline"


def test_after_a_restart_of_all_nobody_is_online_who_is_not_there(
    members: Replicas, people: Participants
) -> None:
    id_ = node_id(members, people)
    people.listen(members[0], people.node)
    for number in range(len(members)):
        members.kill(number)
    members.mend()
    wait_until(lambda: people.status(members[0], id_) == "offline", "it is offline", PATIENCE)
