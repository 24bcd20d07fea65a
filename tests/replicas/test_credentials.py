"""A password or an API key that is changed at one replica counts at once at the others."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import pytest
import requests
from clients import bearer
from participants import Participants

from development.replicas import API_PATH, PATIENCE, Replica, Replicas, wait_until

OLD, NEW = "Lovelace-1", "Lovelace-2"
AWAY = {"database": True, "broker": False}
_numbers = count()


@dataclass(frozen=True)
class Credential:
    """What somebody logs in with, and how another takes its place.

    Attributes
    ----------
    login : tuple of str and dict
        The route, and what is sent there.
    seen : str
        A route that it gives access to.
    change : callable
        Given a replica and the own token, changes it there.
    """

    login: tuple[str, dict[str, str]]
    seen: str
    change: Callable[[Replica, str], object]


@pytest.fixture(params=["password", "API key"])
def credential(
    members: Replicas, people: Participants, request: pytest.FixtureRequest
) -> Credential:
    """Of a user or a node whom nobody else needs."""
    make = _user if request.param == "password" else _node
    return make(members, people, f"somebody {next(_numbers)}")


def _user(members: Replicas, people: Participants, name: str) -> Credential:
    username = name.replace(" ", "-")
    user = {
        "username": username,
        "password": OLD,
        "firstname": "A",
        "lastname": "B",
        "email": f"{username}@alpha.example",
        "organization_id": 2,
    }
    people.ask(members[0], members.token(), "POST", "user", **user)

    def change(replica: Replica, token: str) -> object:
        words = {"current_password": OLD, "new_password": NEW}
        return people.ask(replica, token, "PATCH", "password/change", **words)

    return Credential(("token/user", {"username": username, "password": OLD}), "rule", change)


def _node(members: Replicas, people: Participants, name: str) -> Credential:
    root = members.token()
    study = {"name": name, "organization_ids": [2], "encrypted": False}
    collaboration = people.ask(members[0], root, "POST", "collaboration", **study)
    place = {"organization_id": 2, "collaboration_id": collaboration["id"]}
    node = people.ask(members[0], root, "POST", "node", **place)

    def change(replica: Replica, _token: str) -> object:
        return people.ask(replica, root, "POST", "recover/node", id=node["id"])

    return Credential(("token/node", {"api_key": node["api_key"]}), f"node/{node['id']}", change)


@pytest.fixture
def without_broker(members: Replicas) -> None:
    members.broker.kill()
    wait_until(lambda: all(one.health() == AWAY for one in members), "it is noticed")


def send(replica: Replica, path: str, token: str | None = None, **options: object) -> int:
    method = "POST" if path.startswith("token") else "GET"
    headers = bearer(token) if token else {}
    return requests.request(
        method,
        f"{replica.url}{API_PATH}/{path}",
        headers=headers,
        timeout=PATIENCE,
        **options,  # type: ignore[arg-type]
    ).status_code


def changed_elsewhere(members: Replicas, people: Participants, credential: Credential) -> None:
    """Whoever is connected to one replica, while another changes what he came in with."""
    here, there = members
    path, body = credential.login
    tokens = people.ask(here, people.researcher, "POST", path, **body)
    own = people.listen(here, tokens["access_token"])
    # Of others nothing is void.
    neighbour = people.listen(here, people.node)
    assert send(here, credential.seen, tokens["access_token"]) == 200
    credential.change(there, tokens["access_token"])
    assert send(here, credential.seen, tokens["access_token"]) == 401
    assert send(here, tokens["refresh_url"].rpartition("api/")[2], tokens["refresh_token"]) == 401
    assert send(here, path, json=body) == 401
    assert own.wait_until_gone()
    assert neighbour.client.connected


def test_old_tokens_and_sockets_are_void_at_the_other(
    members: Replicas, people: Participants, credential: Credential
) -> None:
    changed_elsewhere(members, people, credential)


@pytest.mark.usefixtures("without_broker")
def test_they_are_so_while_the_broker_is_away(
    members: Replicas, people: Participants, credential: Credential
) -> None:
    changed_elsewhere(members, people, credential)
