"""Who a node is at its server, known again without asking."""

import pytest

from vantage6.common.exceptions import ConfigurationError
from vantage6.node.instance import Instance
from vantage6.node.place import Place
from vantage6.node.server import Identity

WHO = Identity(1, "node", 7, "north", "key", 3, True)
ELSEWHERE = Identity(1, "node", 7, "north", "key", 4, True)
CREDENTIALS = ["http://server.test", "api key"]


@pytest.fixture
def place(tmp_path):
    """A place of the node in this folder, whose work is a list that says for whom it is."""
    instances = []

    def make(credentials=CREDENTIALS, agree=lambda who: None):
        for instance in instances:
            instance.release()
        instances.append(Instance(tmp_path))
        return Place(instances[-1], credentials, agree, lambda who, journal: [who])

    yield make
    for instance in instances:
        instance.release()


def test_a_new_node_knows_nothing(place):
    assert place().recall() is None


def test_a_node_knows_its_place_again_with_the_same_work(place):
    first = place()
    first.recall()
    assert first.settle(WHO) == [WHO]
    second = place()
    who, work = second.recall()
    assert who == WHO
    assert second.settle(WHO) is work
    assert second.settle(ELSEWHERE) == [ELSEWHERE]


def test_another_key_is_another_place(place):
    first = place()
    first.recall()
    first.settle(WHO)
    assert place(["http://server.test", "another key"]).recall() is None


def test_what_is_not_agreed_on_is_not_remembered(place):
    def refuse(who):
        raise ConfigurationError("the modes differ")

    first = place(agree=refuse)
    first.recall()
    with pytest.raises(ConfigurationError):
        first.settle(WHO)
    assert place().recall() is None


def test_two_processes_of_one_node(place, tmp_path):
    first = place()
    first.recall()
    second = Place(Instance(tmp_path), CREDENTIALS, lambda who: None, lambda who, journal: [who])
    with pytest.raises(ConfigurationError, match="running already"):
        second.recall()
