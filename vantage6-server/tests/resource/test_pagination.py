"""Lists: pages, totals, links and the bound."""

from typing import Any

import pytest
from clients import LoggedIn, Login
from factories import Factory, ids
from flask import Flask

from vantage6.server.model import Organization


@pytest.fixture
def three(make: Factory) -> list[Organization]:
    return [make.organization(country="NL") for _ in range(3)]


@pytest.fixture
def caller(make: Factory, login_as: Login, three: list[Organization]) -> LoggedIn:
    return login_as(make.user(three[0], role="Root"))


def links(header: str) -> dict[str, str]:
    """The links of a header by their names."""
    parts = (part.split(">; rel=") for part in header.split(",<"))
    return {name: url.lstrip("<") for url, name in parts}


def test_without_a_page_everything_is_listed(caller: LoggedIn, three: list[Organization]) -> None:
    answer = caller.get("/api/organization")
    assert ids(answer.json) == ids(three)
    assert answer.headers["total-count"] == "3"


def test_a_page_in_the_middle_has_all_its_neighbours(
    caller: LoggedIn, three: list[Organization]
) -> None:
    answer = caller.get("/api/organization?country=NL&page=2&per_page=1")
    assert ids(answer.json) == [three[1].id]
    assert answer.headers["total-count"] == "3"
    base = "/api/organization?country=NL&page={}&per_page=1"
    assert links(answer.headers["Link"]) == {
        "first": base.format(1),
        "previous": base.format(1),
        "self": base.format(2),
        "next": base.format(3),
        "last": base.format(3),
    }


@pytest.mark.parametrize(("path", "descending"), [("organization", False), ("task", True)])
def test_pages_from_either_end_make_the_whole_list(
    make: Factory, login_as: Login, path: str, descending: bool
) -> None:
    """Those in the second half are looked for from the end."""
    hospital = make.organization()
    study = make.collaboration(hospital)
    for _ in range(6):
        make.task(study)
        make.organization()
    caller = login_as(make.user(hospital, role="Root"))
    whole = ids(caller.get(f"/api/{path}").json)
    assert whole == sorted(whole, reverse=descending)
    for size in range(1, 9):
        for number in range(1, 9):
            page = caller.get(f"/api/{path}?page={number}&per_page={size}")
            expected = whole[(number - 1) * size : number * size]
            assert ids(page.json) == expected, (number, size)


def test_pages_that_do_not_exist_are_left_out(caller: LoggedIn) -> None:
    def names(query: str) -> set[str]:
        return set(links(caller.get(f"/api/organization?{query}").headers["Link"]))

    assert names("page=1&per_page=2") == {"first", "self", "next", "last"}
    assert names("page=2&per_page=2") == {"first", "previous", "self", "last"}
    assert names("country=XX&page=1") == {"first", "self"}


def test_beyond_the_end_is_nothing(caller: LoggedIn) -> None:
    answer = caller.get("/api/organization?page=9")
    assert (answer.status_code, answer.json) == (200, [])


def test_a_page_has_ten_items_unless_told_otherwise(make: Factory, caller: LoggedIn) -> None:
    for _ in range(9):
        make.organization()
    assert len(caller.get("/api/organization?page=1").json) == 10
    assert len(caller.get("/api/organization?per_page=11").json) == 11


def test_metadata_puts_list_and_links_into_an_envelope(
    caller: LoggedIn, three: list[Organization]
) -> None:
    query = "include=metadata&include=metadata&page=1&per_page=1"
    answer = caller.get(f"/api/organization?{query}")
    assert set(answer.json) == {"data", "links"}
    assert ids(answer.json["data"]) == [three[0].id]
    following = answer.json["links"]["next"]
    assert following.count("include=") == 2, "repeated arguments are kept"
    assert ids(caller.get(following).json["data"]) == [three[1].id]


def test_what_cannot_be_included_is_refused_by_name(caller: LoggedIn) -> None:
    answer = caller.get("/api/organization?include=tasks")
    assert (answer.status_code, list(answer.json["errors"])) == (400, ["include"])
    assert "tasks" in answer.json["msg"]


def test_arguments_that_a_list_does_not_know_are_refused_by_name(caller: LoggedIn) -> None:
    for path in ("organization", "organization/1/node", "role/1/rule"):
        answer = caller.get(f"/api/{path}?nmae=x")
        assert (answer.status_code, list(answer.json["errors"])) == (400, ["nmae"])


def test_single_objects_ignore_the_filters_that_classic_clients_send_along(
    caller: LoggedIn, three: list[Organization]
) -> None:
    path = f"/api/organization/{three[0].id}"
    assert caller.get(f"{path}?state=open&node_id=1").json == caller.get(path).json


def test_links_of_a_list_without_pages_lead_to_all_of_it(
    caller: LoggedIn, three: list[Organization]
) -> None:
    answer = caller.get("/api/organization?include=metadata")
    assert ids(caller.get(answer.json["links"]["self"]).json["data"]) == ids(three)


@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "page=x", "page=1.5", "per_page=0", "per_page=10001",
              "page=99999999999999999999"]
)  # fmt: skip
def test_a_page_that_cannot_be_is_a_bad_request(caller: LoggedIn, query: str) -> None:
    answer = caller.get(f"/api/organization?{query}")
    assert answer.status_code == 400
    assert query.split("=")[0] in answer.json["errors"]


def test_an_empty_page_counts_as_none(caller: LoggedIn) -> None:
    assert len(caller.get("/api/organization?page=").json) == 3


def test_a_list_that_is_too_long_must_be_asked_for_by_page(caller: LoggedIn, app: Flask) -> None:
    app.config["MAX_LIST_SIZE"] = 2
    answer: Any = caller.get("/api/organization")
    assert answer.status_code == 400
    assert "page" in answer.json["msg"]
    assert len(caller.get("/api/organization?page=1&per_page=2").json) == 2


def test_a_filter_that_is_not_known_is_refused_by_name(caller: LoggedIn) -> None:
    answer = caller.get("/api/organization?organisation=1")
    assert (answer.status_code, list(answer.json["errors"])) == (400, ["organisation"])


@pytest.mark.parametrize("value", ["x", "", "99999999999"])
def test_a_filter_of_the_wrong_type_is_a_bad_request(caller: LoggedIn, value: str) -> None:
    answer = caller.get(f"/api/organization?collaboration_id={value}")
    assert (answer.status_code, list(answer.json["errors"])) == (400, ["collaboration_id"])
