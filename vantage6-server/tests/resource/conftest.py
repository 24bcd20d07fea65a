"""A node with a study of its own, where a test needs no more."""

import pytest
from clients import LoggedIn, Login
from factories import Factory

from vantage6.server.model import Collaboration, Node, Organization


@pytest.fixture
def study(make: Factory, own: Organization) -> Collaboration:
    return make.collaboration(own)


@pytest.fixture
def node(make: Factory, study: Collaboration, own: Organization) -> Node:
    return make.node(own, study)


@pytest.fixture
def as_node(login_as: Login, node: Node) -> LoggedIn:
    return login_as(node)
