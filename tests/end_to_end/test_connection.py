"""A house that lets out little: over its proxy, with its authority, without sockets."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
import yaml

from development import average, federation, nginx, tinyproxy
from development.certificates import make_certificate
from development.federation import Federation, Hospital
from development.hospitals import rows_of
from development.nginx import NGINX
from development.ports import free_port
from development.tinyproxy import TINYPROXY
from vantage6.client import Client
from vantage6.common.files import write_private_file

pytestmark = pytest.mark.docker

# The library of the websockets goes past every proxy to what it takes for this machine.
ADDRESS = "127.0.0.2"


@pytest.fixture(autouse=True)
def programs():
    for program in (NGINX, TINYPROXY):
        if program.obstacle():
            pytest.skip(program.obstacle())


@pytest.fixture
def members(image, hospitals, tmp_path):
    """A federation of one hospital, whose node is not started yet."""
    made = Federation(tmp_path / "f", [Hospital("remote", hospitals[0].database)], [f"^{image}$"])
    made.prepare()
    try:
        made.start_server()
        yield made
        made.stop()
    finally:
        federation.remove(made.folder)


@pytest.fixture
def front(members, tmp_path):
    """The documented nginx before the server, with TLS; gives what a node has to know of it."""

    @contextmanager
    def front(change=lambda config: config):
        port, plain_port = free_port(), free_port()
        files = make_certificate(tmp_path / "tls", ADDRESS)
        config = nginx.documented(port, plain_port, members.port, files=files, address=ADDRESS)
        with nginx.running(change(config), tmp_path / "tls", plain_port):
            yield {"server_url": f"https://{ADDRESS}", "port": port}, str(files.authority)

    return front


def start_node(members, address, **connection):
    hospital = replace(members.hospitals[0], node_config={**address, "connection": connection})
    members.hospitals[:] = [hospital]
    return members.start_node(hospital)


def check_average(members, create):
    client = members.client()
    task = create(average.central_input(), client=client)
    (answer,) = client.task.wait(task["id"])
    assert answer["average"] == pytest.approx(average.pooled_mean(members.hospitals), rel=1e-12)


def test_over_the_proxy_of_the_house_to_a_server_of_its_own_authority(
    members, front, create, tmp_path
):
    with front() as (address, authority):
        ports = [address["port"]]
        with tinyproxy.running(tmp_path, "hospital", "s3cret", ports) as proxy:
            start_node(members, address, proxy=proxy.url, ca_file=authority)
            # Online is who has a socket: that goes the same way.
            members.wait_for_nodes()
            check_average(members, create)
            members.stop()
            target = f"CONNECT {ADDRESS}:{address['port']}"
            assert len(proxy.connections()) > 1
            assert all(target in line for line in proxy.connections())


def test_a_house_that_blocks_sockets_gets_its_tasks_by_asking(members, front, create):
    def block(config):
        return config.replace("location /socket.io/ {", "location /socket.io/ { return 403;")

    with front(block) as (address, authority):
        node = start_node(members, address, ca_file=authority)
        node.wait_until(lambda: "asking it instead" in node.output.read_text(), "miss its socket")
        check_average(members, create)
        members.stop()


def test_a_server_of_an_unknown_authority_gets_no_api_key(members, front):
    with front() as (address, _):
        node = start_node(members, address)
        node.wait_until(lambda: "trying to log in again" in node.output.read_text(), "try again")
        members.stop()
        assert (
            "its certificate cannot be trusted, unable to get local issuer"
            in node.output.read_text()
        )


def test_a_researcher_in_such_a_house(members, front, create, tmp_path):
    with (
        front() as (address, authority),
        tinyproxy.running(tmp_path, "hospital", "s3cret", [address["port"]]) as proxy,
    ):
        members.start_nodes()
        profile = tmp_path / "profile.yaml"
        told = {
            "host": address["server_url"],
            "port": address["port"],
            "username": members.researcher,
            "password": members.password,
            "private_key": str(members.private_key(members.hospitals[0])),
            "ca_file": authority,
            "proxy": proxy.url,
        }
        write_private_file(profile, yaml.safe_dump(told).encode())
        client = Client.from_profile(profile)
        before = len(proxy.connections())
        (answer,) = client.task.wait(create(average.central_input(), client=client)["id"])
        assert answer["count"] == sum(rows_of(members.hospitals).values())
        # The socket goes the same way as the calls.
        assert len(proxy.connections()) > before > 0
