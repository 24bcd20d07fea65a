"""Lists in pages, as the classic client and scripts walk through them."""

import re

import pytest
import requests

PAGED = [
    "collaboration",
    "collaboration/{collaboration}/organization",
    "collaboration/{collaboration}/node",
    "collaboration/{collaboration}/task",
    "organization",
    "node",
    "task",
    "task/{task}/result",
    "result",
    "user",
    "role",
    "role/{role}/rule",
    "rule",
    "port",
]
DESCENDING = ["task", "result", "port"]


@pytest.fixture(scope="module")
def filled(root):
    """Ids of a collaboration of three organizations with three tasks for each of them."""
    fields = dict.fromkeys(("address1", "address2", "zipcode", "country", "domain"), "")
    organizations = [root.organization.create(name=f"page {i}", **fields)["id"] for i in range(3)]
    organizations.append(root.whoami.value[4])
    collaboration = root.collaboration.create("pages", organizations)["id"]
    for organization in organizations:
        root.node.create(collaboration, organization)
    for number in range(3):
        task = root.task.create(collaboration, organizations, f"t{number}", "i", "", {})["id"]
        person = {"username": f"page{number}", "firstname": "F", "lastname": "L"}
        root.user.create(**person, email=f"{number}@page.org", password="Passw0rd!")
    role = root.role.list(per_page=1)["data"][0]["id"]
    return {"collaboration": collaboration, "task": task, "role": role}


@pytest.fixture(scope="module")
def get(server, filled):
    """Ask as a script does."""
    headers = {"Authorization": f"Bearer {server.token()}"}

    def get(path, **params):
        url = path if path.startswith("/") else f"/api/{path.format(**filled)}"
        return requests.get(f"{server.url}{url}", params=params, headers=headers, timeout=60)

    return get


def relations(answer):
    return {
        rel: link
        for link, rel in re.findall(r"<([^>]*)>; rel=(\w+)", answer.headers.get("Link", ""))
    }


@pytest.mark.parametrize("path", PAGED)
def test_pages_add_up_to_the_whole(get, path):
    whole = get(path)
    assert whole.status_code == 200, whole.text
    total = int(whole.headers["total-count"])
    rows, url = [], None
    answer = get(path, page=1, per_page=2)
    while True:
        assert int(answer.headers["total-count"]) == total
        assert len(answer.json()) <= 2
        rows += answer.json()
        url = relations(answer).get("next")
        if url is None:
            break
        answer = get(url)
    assert [row["id"] for row in rows] == [row["id"] for row in whole.json()]
    assert len(rows) == total
    order = sorted((row["id"] for row in rows), reverse=path in DESCENDING)
    assert [row["id"] for row in rows] == order or "/" in path


@pytest.mark.parametrize("path", [path for path in PAGED if path != "port"])
def test_the_envelope_has_the_links_of_the_header(get, path):
    answer = get(path, page=1, per_page=1, include="metadata")
    assert answer.json().keys() == {"data", "links"}
    assert len(answer.json()["data"]) == 1
    assert answer.json()["links"] == relations(answer)
    assert {"first", "self", "last"} <= relations(answer).keys()
    assert "previous" not in relations(answer)


def test_the_links_keep_the_question(get):
    links = relations(get("node", page=2, per_page=1, name="%"))
    assert links.keys() == {"first", "previous", "self", "next", "last"}
    assert all("per_page=1" in link and "name=%25" in link for link in links.values())


def test_a_list_without_envelope_has_no_links_in_its_body(get):
    assert isinstance(get("organization", page=1).json(), list)


def test_past_the_end_there_is_nothing(get):
    answer = get("organization", page=1000)
    assert (answer.status_code, answer.json()) == (200, [])


def test_the_client_walks_through_pages(root, filled):
    first = root.task.list(page=1, per_page=2)
    second = root.task.list(page=2, per_page=2)
    assert first["links"]["next"] == second["links"]["self"]
    assert not {row["id"] for row in first["data"]} & {row["id"] for row in second["data"]}


def test_the_client_asks_for_nested_results(root, filled):
    (task,) = root.task.list(name="t1", include_results=True)["data"]
    assert task["collaboration"]["id"] == filled["collaboration"]
    assert len(root.task.get(filled["task"], include_results=True)["results"]) == 4
