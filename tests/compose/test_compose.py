"""`docker/compose.yaml`, and the commands of docs/howto/operate.md as they are written there."""

import json
import re
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable

import docker
import pytest
import requests

from development import compose
from development.install import ROOT

pytestmark = pytest.mark.docker

PAGE = ROOT / "docs" / "howto" / "operate.md"
PATIENCE = 240
SERVERS = ("server-1", "server-2")


def commands(heading: str) -> str:
    """The commands below a heading of the page."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    blocks = re.findall(r"```bash\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    assert blocks, heading
    return "\n".join(blocks)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"not in {PATIENCE} s: {what}"
        time.sleep(0.2)


class Person:
    """Somebody who asks the server from outside, over TLS."""

    def __init__(self, composed: compose.Composed) -> None:
        self._composed = composed
        self._session = requests.Session()
        self._session.trust_env = False

    def ask(self, method: str, path: str, **options: object) -> requests.Response:
        # Read anew each time: one of the tests replaces it.
        return self._session.request(
            method,
            f"{self._composed.url}/{path}",
            verify=str(self._composed.certificate),
            timeout=60,
            **options,
        )

    def is_served(self) -> bool:
        try:
            return self.ask("get", "health").status_code == 200
        except requests.ConnectionError:
            return False

    def log_in(self, password: str) -> None:
        body = {"username": "root", "password": password}
        answer = self.ask("post", "token/user", json=body)
        assert answer.status_code == 200, answer.text
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def names(self) -> set[str]:
        answer = self.ask("get", "organization")
        assert answer.status_code == 200, answer.text
        return {one["name"] for one in answer.json()}

    def create(self, name: str) -> None:
        answer = self.ask("post", "organization", json={"name": name})
        assert answer.status_code == 201, answer.text


@pytest.fixture(scope="module")
def composed(tmp_path_factory):
    with compose.running(tmp_path_factory.mktemp("compose")) as made:
        anybody = Person(made)
        for server in SERVERS:
            wait_until(lambda name=server: is_well(made, name), f"{server} answers")
        wait_until(anybody.is_served, "nginx answers")
        yield made


@pytest.fixture(scope="module")
def password(composed):
    return composed.run("exec", "-T", "server-1", "cat", "/mnt/data/root_password").strip()


@pytest.fixture
def person(composed, password):
    made = Person(composed)
    made.log_in(password)
    return made


@pytest.fixture
def engine():
    client = docker.from_env()
    yield client
    client.close()


def container(engine, composed, service):
    found = engine.containers.list(
        all=True,
        filters={
            "label": [
                f"com.docker.compose.project={composed.name}",
                f"com.docker.compose.service={service}",
            ]
        },
    )
    (one,) = [each for each in found if "oneoff=True" not in str(each.labels)]
    return one


def is_well(composed, service):
    code = 'import urllib.request as u; u.urlopen("http://127.0.0.1:5000/api/health", timeout=5)'
    try:
        composed.run("exec", "-T", service, "python3", "-c", code)
    except compose.SetupError:
        return False
    return True


def test_nginx_between_the_containers_is_told_what_the_documentation_says():
    assert compose.NGINX.read_text(encoding="utf-8") == compose.nginx_configuration()


def test_the_versions_of_the_images_are_those_that_are_built():
    named = re.findall(r"vantage6/[a-z-]+:[0-9.]+", compose.FILE.read_text(encoding="utf-8"))
    wanted = {image.tag for image in compose.images.SERVICES.values()}
    server = compose.images.infrastructure_image(compose.DEFAULT_SERVER_IMAGE).tag
    assert set(named) == wanted | {server}


def test_secrets_are_made_once_and_behind_a_closed_door(tmp_path):
    folder = tmp_path / "compose"
    shutil.copytree(compose.FOLDER, folder, ignore=shutil.ignore_patterns("private"))
    private = folder / "private"
    contents = []
    for _ in range(2):
        subprocess.run([folder / "prepare", "vantage6.example.org"], check=True)
        contents.append({path.name: path.read_bytes() for path in private.iterdir()})
    assert contents[0] == contents[1]
    assert private.stat().st_mode & 0o777 == 0o700
    secrets = re.findall(rb"[0-9a-f]{48,}", contents[0]["server.yaml"])
    assert len(set(secrets)) == 3
    assert secrets[1] not in contents[0]["definitions.json"]


def test_a_missing_secret_is_told_and_no_new_ones_are_made(tmp_path):
    folder = tmp_path / "compose"
    shutil.copytree(compose.FOLDER, folder, ignore=shutil.ignore_patterns("private"))
    subprocess.run([folder / "prepare", "localhost"], check=True)
    kept = (folder / "private" / "server.yaml").read_bytes()
    (folder / "private" / "postgres").unlink()
    done = subprocess.run([folder / "prepare", "localhost"], check=False, capture_output=True)
    assert done.returncode == 2
    assert b"postgres is missing beside server.yaml" in done.stderr
    assert (folder / "private" / "server.yaml").read_bytes() == kept


def test_only_nginx_is_reached_from_outside_and_nobody_has_rights(composed, engine):
    for service in ("nginx", *SERVERS, "postgres", "rabbitmq"):
        one = container(engine, composed, service)
        published = {key for key, value in one.ports.items() if value}
        assert published == ({"8080/tcp", "8443/tcp"} if service == "nginx" else set())
        host = one.attrs["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert not host["Privileged"]
        done = one.exec_run(["cat", "/proc/1/status"])
        lines = dict(line.split(":", 1) for line in done.output.decode().splitlines())
        assert int(lines["CapEff"], 16) == 0, service
        assert lines["Uid"].split()[0] != "0", service


def test_without_tls_one_is_sent_to_where_it_is(composed):
    answer = requests.get(
        f"http://localhost:{composed.plain_port}/api/health", allow_redirects=False, timeout=60
    )
    assert answer.status_code == 301
    assert answer.headers["location"].startswith("https://")


def test_one_server_is_killed_and_the_other_serves(person, composed, engine):
    one = container(engine, composed, "server-1")
    one.kill("SIGKILL")
    for _ in range(10):
        assert "root" in person.names()
    one.start()
    wait_until(lambda: is_well(composed, "server-1"), "it is back")


def test_an_upgrade_server_by_server_fails_no_request(person, composed):
    """Each over a connection of its own: a proxy may close one that is kept at any time."""
    statuses, done = [], threading.Event()

    def ask():
        while not done.is_set():
            answer = person.ask("get", "organization", headers={"Connection": "close"})
            statuses.append(answer.status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        composed.script(commands("Upgrade without standing still"))
    finally:
        done.set()
        asking.join()
    assert statuses
    assert set(statuses) == {200}


def test_a_backup_is_restored_on_an_empty_machine(person, composed, password, tmp_path):
    backup = tmp_path / "backup"
    person.create("before the backup")
    composed.run("exec", "-T", "server-1", "sh", "-c", "umask 077; echo large > /mnt/data/payload")
    composed.script(f"BACKUP={backup}\n" + commands("Back up"))
    person.create("after the backup")
    composed.run("down", "--volumes", "--timeout", "20")
    shutil.rmtree(composed.folder / "compose" / "private")
    composed.script(f"BACKUP={backup}\n" + commands("Restore"))
    wait_until(person.is_served, "it serves")
    restored = Person(composed)
    restored.log_in(password)
    assert "before the backup" in restored.names()
    assert "after the backup" not in restored.names()
    found = composed.run("exec", "-T", "server-2", "stat", "-c", "%u %a", "/mnt/data/payload")
    assert found.split() == ["65532", "600"]
    # Tokens of before are as good as they were.
    assert "before the backup" in person.names()


def test_another_certificate_is_taken_without_a_restart(person, composed, tmp_path):
    private = composed.folder / "compose" / "private"

    def shown() -> str:
        return ssl.get_server_certificate(("localhost", composed.port))

    before = shown()
    scratch = tmp_path / "compose"
    shutil.copytree(compose.FOLDER, scratch, ignore=shutil.ignore_patterns("private"))
    subprocess.run([scratch / "prepare", "localhost"], check=True)
    for name in ("certificate.pem", "key.pem"):
        (private / name).write_bytes((scratch / "private" / name).read_bytes())
    composed.script(commands("Certificates"))
    wait_until(lambda: shown() != before, "the new one is shown")
    assert "root" in person.names()


def test_the_broker_and_the_database_may_go_and_come_back(person, composed, engine):
    broker, database = (container(engine, composed, name) for name in ("rabbitmq", "postgres"))
    broker.kill("SIGKILL")
    person.create("without a broker")
    broker.start()
    database.kill("SIGKILL")
    wait_until(lambda: person.ask("get", "organization").status_code == 503, "it is noticed")
    database.start()
    wait_until(lambda: person.ask("get", "organization").status_code == 200, "it is back")
    assert "without a broker" in person.names()


def test_health_tells_of_the_database(person):
    assert json.loads(person.ask("get", "health").text)["database"] is True
