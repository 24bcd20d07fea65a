"""Containers reach the databases and services that the owner lists for them, and nothing else.

The servers are real: PostgreSQL, Virtuoso, and a container of somebody else.
"""

import itertools
import os
import queue
import secrets
import socket
import threading
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from docker.errors import NotFound

from development import debian, postgres, sparql
from development.certificates import make_certificate
from development.images import ALGORITHM_BASE, Image, ensure
from vantage6.node.assignment import Assignment
from vantage6.node.databases import Database
from vantage6.node.inbox import HeldInput
from vantage6.node.outbound.outbound import Outbound, faults
from vantage6.node.rules import Limits, Rules
from vantage6.node.runner.interface import ContainerEnded, RunnerError, ServiceMissing
from vantage6.node.runner.services import Services
from vantage6.node.runner.settings import container_settings, own_user

pytestmark = pytest.mark.docker

IMAGE = "vantage6/test-databases:latest"
PROBE = "vantage6/test-probe:latest"
LIMITS = Limits(memory=256 * 2**20, cpus=1.0, pids=64)
SECONDS = 120

PRELUDE = """
import json, os, socket, time
def fails(action, *arguments):
    try:
        return action(*arguments) and None
    except OSError as error:
        return type(error).__name__
def talk(host, port, content=b"hello"):
    with socket.create_connection((host, port), 20) as s:
        s.sendall(content)
        s.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: s.recv(65536), b"")).decode()
def reach(targets):
    return [t for t in targets if not fails(lambda: socket.create_connection(t, 2).close() or 1)]
def report(value):
    with open(os.environ["OUTPUT_FILE"], "w") as file:
        json.dump(value, file)
def wait_for(name):
    open("/mnt/tmp/ready-" + name, "w").close()
    while not os.path.exists("/mnt/tmp/go-" + name):
        time.sleep(0.02)
"""


@pytest.fixture(scope="session")
def image(engine):
    """An image with the libraries that read databases."""
    return ensure(
        Image(
            IMAGE,
            Path(__file__).with_name("databases"),
            parent=ALGORITHM_BASE,
            packages=("vantage6-common",),
            extras=("psycopg[binary]", "SPARQLWrapper"),
        )
    )


def skip_unless_possible(obstacle):
    if obstacle and not debian.is_ours():
        pytest.skip(obstacle)


@pytest.fixture(scope="module")
def omop():
    """A database of patients in PostgreSQL, and beside it one that nobody is given."""
    skip_unless_possible(postgres.obstacle())
    with postgres.serve() as server:
        uri = server.create().replace("+psycopg", "")
        with psycopg.connect(uri) as connection:
            connection.execute("CREATE TABLE person (age int)")
            connection.execute("INSERT INTO person VALUES (40), (60)")
        yield uri


@pytest.fixture(scope="module")
def rdf():
    """An endpoint with a graph of patients."""
    skip_unless_possible(sparql.PROGRAM.obstacle())
    with sparql.serve() as endpoint:
        endpoint.insert("urn:patients", "<urn:a> <urn:age> 4 . <urn:b> <urn:age> 6 .")
        yield endpoint.uri


class Notices(queue.SimpleQueue):
    """What the runner tells."""

    def wait_for_end(self, result_id):
        while self.get(timeout=SECONDS) != ContainerEnded(result_id):
            continue


class House:
    """A node whose owner opens ways out."""

    def __init__(self, laboratory, engine):
        self.runner, self.workspace = laboratory.runner, laboratory.probe.workspace
        self.identity, self.engine = laboratory.identity, engine
        self.ids = itertools.count(1000)
        self.running = []
        self.notices = Notices()
        self.runner.connect()
        self.runner.open(self.notices.put)

    def outbound(self, services=None):
        return Outbound(self.runner, self.workspace, services or {})

    def start(self, program, databases, outbound=None, destinations=(), image=PROBE):
        outbound = outbound or self.outbound()
        result_id = next(self.ids)
        run = Assignment(result_id, 1, result_id, image, "default", "", 1)
        rules = Rules(LIMITS, {"PROGRAM": PRELUDE + program}, destinations=tuple(destinations))
        ways = outbound.plan(databases, rules)
        files = self.workspace.prepare(run, HeldInput(b"json.{}"), databases)
        user = own_user("", os.getuid(), os.getgid())
        settings = container_settings(run, self.identity, files, databases, rules, user)
        image_id = self.engine.images.get(image).id
        self.runner.create(replace(settings, image=image_id, hosts=ways.hosts))
        self.running.append(run)
        outbound.open(run, ways)
        self.runner.start(result_id)
        return run

    def finish(self, run, output):
        self.notices.wait_for_end(run.result_id)
        ending = self.runner.ending(run.result_id, 50)
        assert ending.exit_code == 0, ending.log
        return output(run)

    def wait_until(self, run, name):
        ready = self.workspace.files(run).temporary / f"ready-{name}"
        pause = threading.Event()
        for _ in range(SECONDS * 20):
            if ready.exists():
                return
            pause.wait(0.05)
        raise AssertionError("the run did not come that far")

    def go_on(self, run, name):
        (self.workspace.files(run).temporary / f"go-{name}").touch()

    def clear(self):
        for run in self.running:
            self.runner.remove(run.result_id)
        self.running.clear()


@pytest.fixture(scope="module")
def one_house(laboratory, engine):
    return House(laboratory, engine)


@pytest.fixture
def house(one_house):
    yield one_house
    one_house.clear()


@pytest.fixture
def report(house, laboratory):
    """Run a program to its end and return what it reports, and what went through."""

    def run(program, databases, outbound=None, **values):
        outbound = outbound or house.outbound()
        started = house.start(program, databases, outbound, **values)
        output = house.finish(started, laboratory.probe.output)
        return output, outbound.close(started.result_id)

    return run


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "patients of old.csv"
    path.write_text("age\n4\n")
    return Database("old", str(path), path)


@pytest.fixture
def neighbour():
    """A service of the house that the owner lists for nobody."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


READS = """
import csv, psycopg
from SPARQLWrapper import CSV, SPARQLWrapper
with psycopg.connect(os.environ["DATABASE_URI"], connect_timeout=20) as connection:
    patients = connection.execute("SELECT avg(age)::int FROM person").fetchone()[0]
    large = len(connection.execute("SELECT repeat('x', 20000000)").fetchone()[0])
endpoint = SPARQLWrapper(os.environ["SPARQL_ENDPOINT"], returnFormat=CSV)
endpoint.setQuery("SELECT (AVG(?a) AS ?m) FROM <urn:patients> WHERE {?p <urn:age> ?a}")
graph = endpoint.queryAndConvert().decode().split()[-1]
with open(os.environ["OLD_DATABASE_URI"]) as file:
    rows = list(csv.DictReader(file))
"""


def test_an_algorithm_reads_postgresql_a_sparql_endpoint_and_a_file(
    report, image, omop, rdf, file, neighbour
):
    databases = [
        Database.from_config("default", omop),
        Database.from_config("rdf", rdf, "sparql"),
        file,
    ]
    program = f"""
{READS}
hosts = [line.split()[1] for line in open("/etc/hosts")][1:]
report({{
    "read": [patients, large, graph, rows],
    "same": os.environ["SPARQL_ENDPOINT"] == os.environ["RDF_DATABASE_URI"],
    "reached": reach([(host, {neighbour}) for host in [*hosts, "127.0.0.1", "169.254.169.254"]]),
    "looked up": [name for name in ("example.com", "rdf.house") if not fails(
        lambda: socket.getaddrinfo(name, 80))],
}})
"""
    found, passed = report(program, databases, image=image)
    assert found == {
        "read": [50, 20_000_000, "5", [{"age": "4"}]],
        "same": True,
        "reached": [],
        "looked up": [],
    }
    database, endpoint = passed
    assert database.received > 20_000_000
    assert endpoint.sent > 0
    assert faults(passed) == []


class Echo:
    """A server that sends back what it got."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                content = b"".join(iter(lambda c=connection: c.recv(65536), b""))
                connection.sendall(content)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


@pytest.fixture
def echo():
    with closing(Echo()) as echo:
        yield echo


def test_what_another_run_may_reach_and_what_the_next_in_the_sandbox_may(
    house, report, laboratory, echo, file
):
    """With two in the pool, the third run gets the sandbox of the first or the second."""
    allowed = [f"127.0.0.1:{echo.port}"]
    outbound = house.outbound()
    one = house.start(
        f"""
before = talk("host-127-0-0-1", {echo.port})
wait_for("other")
wait_for("end")
report([before, fails(talk, "host-127-0-0-1", {echo.port})])
""",
        [file],
        outbound,
        destinations=allowed,
    )
    house.wait_until(one, "other")
    tries = f"""
hosts = open("/etc/hosts").read()
targets = [("host-127-0-0-1", {echo.port})] + [("127.0.0.%d" % n, {echo.port}) for n in range(1, 9)]
report([hosts, reach(targets)])
"""
    nothing = ["127.0.0.1 localhost proxyserver\n", []]
    assert report(tries, [file])[0] == nothing
    house.go_on(one, "other")
    house.wait_until(one, "end")
    # the run is over for the node, whatever its container does
    assert outbound.close(one.result_id)[0].received == len(b"hello")
    house.go_on(one, "end")
    before, after = house.finish(one, laboratory.probe.output)
    assert before == "hello"
    assert after is not None
    house.clear()
    for _ in range(3):
        assert report(tries, [file])[0] == nothing


def test_the_next_process_of_the_node_opens_what_still_is_allowed(house, laboratory, echo, file):
    first = house.outbound()
    targets = [f"127.0.0.1:{echo.port}", "other.example:443"]
    run = house.start(
        f"""
wait_for("restart")
report([talk("host-127-0-0-1", {echo.port}), reach([("other.example", 443)])])
""",
        [file],
        first,
        destinations=targets,
    )
    house.wait_until(run, "restart")
    first.close_all()
    second = house.outbound()
    second.reopen(run, second.plan([file], Rules(destinations=tuple(targets[:1]))))
    house.go_on(run, "restart")
    assert house.finish(run, laboratory.probe.output) == ["hello", []]
    assert second.close(run.result_id)[0].sent == len(b"hello")


def test_a_destination_that_is_away_is_a_reason_in_the_log(report, file):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found, passed = report(
        f"report(talk('host-127-0-0-1', {port}))", [file], destinations=[f"127.0.0.1:{port}"]
    )
    assert found == ""
    assert "Connection refused" in faults(passed)[0]


# Services

SERVES = """
import socket
listener = socket.create_server(("0.0.0.0", 5432))
other = socket.create_server(("0.0.0.0", 5433))
while True:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(NAME + b" " + b"".join(iter(lambda: connection.recv(65536), b"")))
"""


@pytest.fixture
def make_service(engine):
    """Make containers of somebody else, and networks for them."""
    with ExitStack() as made:

        def make(name, word="one", network=None, exposed=(), program=SERVES):
            api = engine.api
            service = api.create_container(
                PROBE,
                name=name,
                environment={"PROGRAM": program.replace("NAME", repr(word.encode()))},
                ports=list(exposed),
                labels={"vantage6-test": "service"},
                host_config=api.create_host_config(network_mode=network or "bridge"),
            )
            made.callback(remove, engine.containers.get(service["Id"]))
            api.start(service)
            return engine.containers.get(service["Id"])

        yield make


def remove(container):
    with suppress(NotFound):
        container.remove(force=True, v=True)


@pytest.fixture
def name():
    return f"vantage6-test-service-{secrets.token_hex(4)}"


def wait_for_service(runner, name, port=5432):
    address = runner.service(name).address
    pause = threading.Event()
    for _ in range(SECONDS * 20):
        try:
            socket.create_connection((address, port), 5).close()
        except OSError:
            pause.wait(0.05)
        else:
            return
    raise AssertionError("the service does not listen")


def test_a_service_is_reached_by_its_exact_name_also_when_it_was_made_anew(
    house, laboratory, make_service, name, file
):
    service = make_service(name)
    make_service(f"{name}-2", "wrong")
    wait_for_service(house.runner, name)
    outbound = house.outbound({"omop": f"{name}:5432"})
    run = house.start(
        """
first = talk("omop", 5432)
wait_for("anew")
report([first, talk("omop", 5432), reach([("omop", 5433), ("omop", 80)])])
""",
        [file],
        outbound,
    )
    house.wait_until(run, "anew")
    service.remove(force=True)
    make_service(name, "two")
    wait_for_service(house.runner, name)
    house.go_on(run, "anew")
    assert house.finish(run, laboratory.probe.output) == ["one hello", "two hello", []]
    outbound.close(run.result_id)


def test_what_a_service_exposes_and_what_cannot_be_reached(house, engine, make_service, name, file):
    make_service(name)
    make_service(f"{name}-open", exposed=[5432, (53, "udp")])
    runner = house.runner
    assert runner.service(name).ports == ()
    assert runner.service(f"{name}-open").ports == (5432,)
    for wrong in (name[:-1], engine.containers.get(name).id[:12], f"{name}-absent"):
        with pytest.raises(ServiceMissing, match="no container"):
            runner.service(wrong)
    ways = house.outbound({"omop": name, "gone": f"{name}-absent"}).plan([file], Rules())
    assert ways.lines == ()
    assert "'omop'" in ways.faults[0]
    assert "exposes no port" in ways.faults[0]
    assert "no container" in ways.faults[1]


ENCRYPTS = """
import http.server, ssl
with open("/tmp/server.pem", "w") as file:
    file.write(PEM)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/tmp/server.pem")
class Patients(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"two patients")
server = http.server.HTTPServer(("0.0.0.0", 5432), Patients)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def test_a_certificate_is_checked_by_the_algorithm_for_the_name_that_it_connects_to(
    house, report, make_service, name, tmp_path
):
    """The node passes bytes on: it neither ends the encryption nor changes the name."""
    made = make_certificate(tmp_path / "tls", "records.house")
    pem = made.certificate.read_text() + made.key.read_text()
    make_service(name, program=ENCRYPTS.replace("PEM", repr(pem)))
    wait_for_service(house.runner, name)
    outbound = house.outbound({"records.house": f"{name}:5432", "other.house": f"{name}:5432"})
    program = f"""
import ssl, urllib.request
def ask(host, authority):
    trust = ssl.create_default_context(cadata=authority)
    try:
        with urllib.request.urlopen(f"https://{{host}}:5432/", timeout=20, context=trust) as answer:
            return answer.read().decode()
    except urllib.error.URLError as error:
        return error.reason.verify_message
authority = {made.authority.read_text()!r}
report([
    ask("records.house", authority),
    ask("other.house", authority),
    ask("records.house", None),
])
"""
    found, passed = report(
        program, [Database.from_config("default", "https://records.house:5432/")], outbound
    )
    assert found[0] == "two patients"
    assert "certificate is not valid for 'other.house'" in found[1]
    assert "unable to get" in found[2]
    assert faults(passed) == []


def test_a_node_in_a_container_joins_the_network_of_a_service_and_leaves_it(
    engine, make_service, name
):
    network = engine.networks.create(f"{name}-net", internal=True)
    try:
        service = make_service(name, network=network.name)
        node = make_service(f"{name}-node")
        services = Services(engine.api, node.id)
        found = services.find(name)
        service.reload()
        address = service.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"]
        assert found.address == address
        probe = f"import socket; socket.create_connection(('{address}', 5432), 20)"
        wait = f"import time\nfor _ in range(100):\n try: {probe}; break\n"
        wait += " except OSError: time.sleep(0.05)\nelse: raise SystemExit(1)"
        assert node.exec_run(["python3", "-c", wait]).exit_code == 0
        services.find(name)
        services.close()
        node.reload()
        assert network.name not in node.attrs["NetworkSettings"]["Networks"]
        remove(service)
        remove(node)
    finally:
        network.remove()


def test_a_file_that_is_gone_when_the_engine_wants_it_is_told_without_our_path(house, tmp_path):
    """As for a node in a container, which sees the old file."""
    path = tmp_path / "patients.csv"
    path.touch()
    gone = Database("default", str(path), path)
    workspace = house.workspace
    prepare = workspace.prepare

    def prepare_and_lose(*arguments):
        files = prepare(*arguments)
        path.unlink()
        return files

    workspace.prepare = prepare_and_lose
    try:
        with pytest.raises(RunnerError) as refused:
            house.start("report(0)", [gone])
    finally:
        workspace.prepare = prepare
    assert "/mnt/data/patients.csv is not there any more" in str(refused.value)
    assert str(tmp_path) not in str(refused.value)
