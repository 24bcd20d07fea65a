"""Released classic parts against the server as its command starts it."""

import pytest
from served import Served, write_config

from development import classic
from tests.conformance.node import ScriptedNode
from tests.conformance.remote import Remote


@pytest.fixture(scope="session")
def pythons():
    """The Python of each classic part, all made at the first need of one."""
    parts = (*classic.CLIENTS, classic.NODE)
    return dict(zip(parts, classic.environments(parts), strict=True))


@pytest.fixture(scope="session", params=classic.CLIENTS)
def version(request):
    """The classic client that speaks."""
    return request.param


@pytest.fixture(scope="session")
def remote(version, pythons, tmp_path_factory):
    with Remote(pythons[version], tmp_path_factory.mktemp("classic")) as remote:
        yield remote


@pytest.fixture(scope="session")
def server(version, tmp_path_factory):
    """A server of its own for each client."""
    config = write_config(tmp_path_factory.mktemp("server"))
    with Served("--config", config) as server:
        yield server


@pytest.fixture(scope="session")
def root(remote, server):
    """The classic client, logged in as the first user."""
    client = remote.log_in(server.url, "root", "root")
    client.setup_encryption(None)
    return client


@pytest.fixture(scope="session")
def node(root, server):
    """A scripted node of the first user's organization, in a collaboration without encryption."""
    own = root.whoami.value[4]
    collaboration = root.collaboration.create("of the scripted node", [own], encrypted=False)
    return ScriptedNode(server.url, root.node.create(collaboration["id"], own))
