"""`vserver` with a broker: a container beside the server, gone with the last that uses it."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import NotFound
from docker.models.containers import Container
from operators import Deployed, Operator, at_work

from development import images

pytestmark = pytest.mark.docker

PORT = 5673


@pytest.fixture(scope="module")
def broker_image(engine: docker.DockerClient) -> str:
    return images.ensure(images.SERVICES["rabbitmq"])


@pytest.fixture
def host(engine: docker.DockerClient, broker_image: str) -> Iterator[str]:
    """The name of a broker that no other run has."""
    name = f"test-broker-{secrets.token_hex(4)}"
    yield name
    found = find(engine, name)
    if found:
        found.remove(force=True, v=True)


@pytest.fixture
def operator(
    tmp_path: Path, engine: docker.DockerClient, image: str, host: str
) -> Iterator[Operator]:
    with at_work(tmp_path, engine, image=image, rabbitmq_uri=uri_of(host)) as operator:
        yield operator


def uri_of(host: str, password: str = "h%2Fush") -> str:
    return f"amqp://user:{password}@{host}:{PORT}/v6"


def find(engine: docker.DockerClient, name: str) -> Container | None:
    try:
        return engine.containers.get(name)
    except NotFound:
        return None


def brokers(engine: docker.DockerClient, name: str) -> list[str]:
    """What the broker says that its users are, in its words."""
    container = engine.containers.get(name)
    done = container.exec_run(["rabbitmqctl", "--quiet", "list_permissions", "-p", "v6"])
    assert done.exit_code == 0, done.output
    return str(done.output.decode()).split()


def test_it_comes_and_goes_with_the_server(
    operator: Operator, engine: docker.DockerClient, host: str
) -> None:
    started = Deployed(operator)
    assert f"Starting the broker {host}" in started.told
    assert brokers(engine, host)[-4:] == ["user", ".*", ".*", ".*"]
    container = engine.containers.get(host)
    # Reached by the server alone: nothing is published, and only its network leads there.
    assert not container.attrs["HostConfig"]["PortBindings"]
    assert list(container.attrs["NetworkSettings"]["Networks"]) == [
        f"vantage6-{operator.name}-user-network"
    ]
    assert operator.vserver("stop").returncode == 0
    assert find(engine, host) is None
    networks = engine.networks.list(filters={"label": f"name={operator.name}"})
    assert networks == []


def test_it_can_do_nothing_but_pass_on(
    operator: Operator, engine: docker.DockerClient, host: str
) -> None:
    Deployed(operator)
    container = engine.containers.get(host)
    _, text = container.exec_run(["cat", "/proc/1/status"])
    lines = dict(line.split(":", 1) for line in text.decode().splitlines())
    assert int(lines["CapEff"], 16) == 0
    assert lines["NoNewPrivs"].strip() == "1"
    assert lines["Uid"].split() == ["65532"] * 4
    assert container.exec_run(["sh", "-c", "echo x > /x"]).exit_code != 0
    # What the engine shows of it tells no password.
    assert "h/ush" not in str(container.attrs)
    assert "h%2Fush" not in str(container.attrs)


def test_two_servers_share_it_until_the_last_has_stopped(
    operator: Operator,
    engine: docker.DockerClient,
    image: str,
    host: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    Deployed(operator)
    first = engine.containers.get(host).id
    home = tmp_path_factory.mktemp("second")
    with at_work(home, engine, image=image, rabbitmq_uri=uri_of(host)) as second:
        Deployed(second)
        assert engine.containers.get(host).id == first
        assert operator.vserver("stop").returncode == 0
        assert brokers(engine, host)
        assert second.vserver("stop").returncode == 0
        assert find(engine, host) is None


def test_a_container_of_that_name_that_is_another_one_is_left_alone(
    operator: Operator, engine: docker.DockerClient, image: str, host: str
) -> None:
    strange = engine.containers.run(image, ["sleep", "600"], name=host, detach=True, init=True)
    done = operator.vserver("start")
    assert done.returncode == 1
    assert f"The container {host!r} is there already and is no broker" in done.stderr
    strange.reload()
    assert strange.status == "running"
    assert engine.networks.list(filters={"label": f"name={operator.name}"}) == []


def test_one_on_the_loopback_is_refused_with_what_to_do(operator: Operator) -> None:
    operator.configure(rabbitmq_uri=uri_of("localhost"))
    done = operator.vserver("start")
    assert done.returncode == 1
    assert "cannot be reached from a container" in done.stderr
    assert "vantage6-broker" in done.stderr


def test_an_image_for_no_broker_is_not_passed_over_in_silence(
    tmp_path: Path, engine: docker.DockerClient, image: str
) -> None:
    with at_work(tmp_path, engine, image=image) as operator:
        told = Deployed(operator, "--rabbitmq-image", "some/image").told
    assert "--rabbitmq-image has no effect" in told
