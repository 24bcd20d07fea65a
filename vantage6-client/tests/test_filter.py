"""Choosing from what a method returns."""

import pytest

from vantage6.client.filter import post_filtering, select

ITEMS = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"id": 3, "name": "a"}]
PAGE = {"data": ITEMS, "links": {}}


@pytest.mark.parametrize("reply", [ITEMS, PAGE])
def test_fields_are_kept_and_a_page_becomes_a_list(reply):
    assert select(reply, field="id") == [{"id": 1}, {"id": 2}, {"id": 3}]
    assert select(reply, fields=["id", "nothing"]) == [{"id": 1}, {"id": 2}, {"id": 3}]


@pytest.mark.parametrize("reply", [ITEMS, PAGE])
def test_items_are_kept_that_match(reply):
    assert select(reply, filter_=("name", "b")) == [ITEMS[1]]
    assert select(reply, filters=[("name", "a"), ("id", 3)], field="id") == [{"id": 3}]


def test_a_key_that_is_not_there_is_named():
    with pytest.raises(KeyError, match="'nme'"):
        select(ITEMS, filter_=("nme", "a"))


def test_nothing_chosen_changes_nothing():
    assert select(PAGE) is PAGE


def test_a_refusal_is_left_as_it_is():
    assert select({"msg": "no"}, fields=["id"]) == {"msg": "no"}


def test_one_item_has_fields_only():
    get = post_filtering(iterable=False)(lambda: {"id": 1, "name": "a"})
    assert get(field="name") == {"name": "a"}
    with pytest.raises(TypeError):
        get(filter_=("id", 1))
