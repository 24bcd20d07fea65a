"""`vserver` for real: our image in the engine, the commands as an operator types them."""

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pexpect
import pytest
import requests
from click.testing import CliRunner
from docker.models.containers import Container
from docker.utils import kwargs_from_env
from operators import Deployed, Operator, at_work, first_password
from served import LOOPBACK, write_import

from development.bridge import address_for_containers, passing_on
from development.install import ROOT
from development.postgres import Postgres
from vantage6.common import __version__
from vantage6.common.container import containers
from vantage6.server.cli.vserver import main

pytestmark = pytest.mark.docker

NONROOT = 65532


@pytest.fixture(scope="module")
def started(
    tmp_path_factory: pytest.TempPathFactory, engine: docker.DockerClient, image: str
) -> Iterator[Deployed]:
    """A server that runs, for tests that only look."""
    broker = "amqp://user:hush@broker.example:5672/v6"
    home = tmp_path_factory.mktemp("started")
    with at_work(home, engine, image=image, rabbitmq_uri=broker) as operator:
        yield Deployed(operator)


def container_of(engine: docker.DockerClient, operator: Operator) -> Container:
    return engine.containers.get(f"vantage6-{operator.name}-user-server")


def status_of(operator: Operator) -> Any:
    done = operator.run("vserver", "list", "--json")
    assert done.returncode == 0, done.stderr
    (found,) = [one for one in json.loads(done.stdout) if one["name"] == operator.name]
    return found["status"]


class TestRunning:
    def test_it_answers_and_told_the_first_password(
        self, started: Deployed, engine: docker.DockerClient
    ) -> None:
        password = first_password(started.told)
        assert started.log_in("root", password) == 200
        assert started.log_in("root", "root") == 401
        assert requests.get(f"{started.url}/version", timeout=60).json()["version"] == __version__
        # Neither in the log of the container nor in a file.
        assert password.encode() not in container_of(engine, started.operator).logs()
        files = [path for path in started.operator.data.rglob("*") if path.is_file()]
        assert files
        assert all(password.encode() not in path.read_bytes() for path in files)

    def test_names_and_labels(self, started: Deployed, engine: docker.DockerClient) -> None:
        container = container_of(engine, started.operator)
        assert container.labels["vantage6-type"] == "server"
        assert container.labels["name"] == started.operator.name
        (network,) = container.attrs["NetworkSettings"]["Networks"]
        assert network == f"vantage6-{started.operator.name}-user-network"
        assert engine.networks.get(network).attrs["Internal"] is False

    def test_the_container_can_do_nothing_but_serve(
        self, started: Deployed, engine: docker.DockerClient
    ) -> None:
        container = container_of(engine, started.operator)
        _, text = container.exec_run(["cat", "/proc/1/status", "/proc/self/status"])
        lines = [line.partition(":") for line in text.decode().splitlines()]
        found = {(key, value.strip()) for key, _, value in lines}
        assert {int(value, 16) for key, value in found if key.startswith("Cap")} == {0}
        assert {value for key, value in found if key == "NoNewPrivs"} == {"1"}
        ids = {value for key, value in found if key in ("Uid", "Gid")}
        assert {number for value in ids for number in value.split()} == {str(NONROOT)}
        for path in ("/x", "/mnt/config.yaml", "/usr/bin/x", "/mnt/x"):
            assert container.exec_run(["sh", "-c", f"echo x > {path}"]).exit_code != 0
        mounted = {mount["Destination"] for mount in container.attrs["Mounts"]}
        assert mounted == {"/mnt/config.yaml", "/mnt/data", "/mnt/database", "/mnt/log"}

    def test_what_it_writes_is_closed_to_others_and_open_to_the_operator(
        self, started: Deployed
    ) -> None:
        operator = started.operator
        assert stat.S_IMODE(operator.data.stat().st_mode) == 0o700
        for name in ("server.sqlite", "jwt_secret"):
            status = (operator.data / name).stat()
            assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (NONROOT, 0o600)
        log = Path(json.loads(operator.vserver("files", "--json").stdout)["log"])
        assert log.parent == operator.log
        assert "vantage6 server" in log.read_text()
        # Beside the server in its container, on the same database.
        local = ("-n", operator.name, "--user", "--command", "print(db.User.get())")
        assert "'root'" in operator.run("vserver-local", "shell", *local).stdout

    def test_nothing_is_written_where_it_does_not_last(
        self, started: Deployed, engine: docker.DockerClient
    ) -> None:
        """Every process of the server must know that it is in a container."""
        found = container_of(engine, started.operator).exec_run(
            ["find", "/tmp", "-name", "vantage6"]
        )
        assert found.output == b""

    def test_the_broker_of_another_machine_is_left_to_it(
        self, started: Deployed, engine: docker.DockerClient
    ) -> None:
        assert "broker" not in started.told
        network = engine.networks.get(f"vantage6-{started.operator.name}-user-network")
        assert len(network.attrs["Containers"]) == 1

    def test_list_knows_that_it_runs(self, started: Deployed) -> None:
        assert status_of(started.operator) == "online"
        lines = started.operator.run("vserver", "list").stdout.splitlines()
        assert lines[0].split() == ["Name", "Environments", "Status", "System/User"]
        (row,) = [line for line in lines if line.startswith(started.operator.name)]
        assert row.split()[1:] == ["prod", "Online", "user"]

    def test_list_shows_it_also_to_who_has_no_configuration_of_it(
        self, started: Deployed, tmp_path: Path
    ) -> None:
        listed = json.loads(Operator(tmp_path).run("vserver", "list", "--json").stdout)
        (found,) = [one for one in listed if one["name"] == started.operator.name]
        assert (found["status"], found["environments"]) == ("online", ["prod"])
        assert Path(found["path"]).parent == started.operator.configurations

    def test_a_second_one_is_refused(self, started: Deployed) -> None:
        done = started.operator.vserver("start")
        assert done.returncode == 1
        name = started.operator.name
        assert done.stderr.endswith(f"Error: The server {name!r} is running already\n")

    def test_its_port_is_taken(self, started: Deployed, operator: Operator) -> None:
        port = started.url.rpartition(":")[2].partition("/")[0]
        done = operator.vserver("start", "--ip", LOOPBACK, "--port", port)
        assert done.returncode == 1
        assert "choose another: --port" in done.stderr

    def test_another_scope_is_another_server(self, started: Deployed) -> None:
        done = started.operator.run("vserver", "stop", "-n", started.operator.name, "--system")
        assert done.returncode == 1
        assert f"No server {started.operator.name!r} is running with --system" in done.stderr
        assert "runs in environment 'prod' with --user" in done.stderr

    def test_version(self, started: Deployed) -> None:
        done = started.operator.vserver("version", "--json")
        assert json.loads(done.stdout) == {"server": __version__, "cli": __version__}

    def test_shell_runs_a_command_or_a_script(self, started: Deployed) -> None:
        operator = started.operator
        done = operator.vserver("shell", "--command", "print(db.User.get())")
        assert done.stdout == "[<User 1 'root'>]\n"
        script = "user = db.User.get_by_username('root')\nprint(user.email)\n"
        assert operator.vserver("shell", script=script).stdout == "root@domain.ext\n"
        failed = operator.vserver("shell", "--command", "raise SystemExit(7)")
        assert failed.returncode == 7

    def test_shell_in_a_terminal(self, started: Deployed) -> None:
        terminal = started.operator.terminal(
            "vserver", "shell", "-n", started.operator.name, "--user"
        )
        terminal.expect("The models are in `db`")
        terminal.expect(r"In \[")
        terminal.sendline("print('name of root:', db.User.get(1).username)")
        terminal.expect("name of root: root")
        terminal.sendline("exit()")
        terminal.expect(pexpect.EOF)
        assert terminal.wait() == 0

    def test_attach_shows_the_log_and_ctrl_c_leaves_the_server(self, started: Deployed) -> None:
        terminal = started.operator.terminal(
            "vserver", "attach", "-n", started.operator.name, "--user"
        )
        terminal.expect("vantage6 server")
        terminal.expect("listening on")
        terminal.sendintr()
        terminal.expect("The server runs on; stop it with: vserver stop --name")
        terminal.expect(pexpect.EOF)
        assert terminal.wait() == 0
        assert status_of(started.operator) == "online"


class TestStart:
    def test_files_of_root_are_handed_over(self, operator: Operator) -> None:
        """What `vserver-local` made as root must not keep the container out."""
        local = ("-n", operator.name, "--user")
        assert operator.run("vserver-local", "migrate", *local).returncode == 0
        assert (operator.data / "server.sqlite").stat().st_uid == 0
        Deployed(operator)
        assert (operator.data / "server.sqlite").stat().st_uid == NONROOT

    def test_it_runs_as_the_owner_of_the_data(
        self, operator: Operator, engine: docker.DockerClient
    ) -> None:
        operator.data.mkdir(parents=True)
        os.chown(operator.data, 12345, 12345)
        Deployed(operator)
        assert container_of(engine, operator).attrs["Config"]["User"] == "12345:12345"
        assert (operator.data / "server.sqlite").stat().st_uid == 12345

    def test_the_environment_is_the_one_asked_for(
        self, operator: Operator, engine: docker.DockerClient, image: str
    ) -> None:
        operator.configure("dev", type="dev", image=image, api_path="/other")
        server = Deployed(operator, "-e", "dev")
        assert server.url.endswith("/other")
        assert server.log_in("root", "root") == 200
        assert container_of(engine, operator).labels["vantage6-environment"] == "dev"

    def test_with_the_folders_of_the_system(self, operator: Operator, image: str) -> None:
        """Where the default folder for logs holds the data of all servers."""
        operator.configure(image=image, system=True)
        done = operator.run(
            "vserver", "start", "--name", operator.name, "--system", "--ip", LOOPBACK
        )
        assert done.returncode == 0, done.stderr
        folder = operator.home / "data_dirs" / "vantage6" / "server" / operator.name
        assert "vantage6 server" in (folder / "server.log").read_text()
        assert folder.stat().st_uid == NONROOT
        assert folder.parent.stat().st_uid == 0
        stopped = operator.run("vserver", "stop", "--name", operator.name)
        assert stopped.stdout == f"Stopped the server {operator.name} (system)\n"

    def test_one_that_does_not_come_up_says_why_and_leaves_nothing(
        self, operator: Operator, engine: docker.DockerClient
    ) -> None:
        operator.data.mkdir(parents=True)
        (operator.data / "server.sqlite").write_text("no database, but long enough to look at")
        done = operator.vserver("start", "--ip", LOOPBACK)
        assert done.returncode == 1
        assert "The server ended at once, with exit code 1: The database" in done.stderr
        assert "file is not a database" in done.stderr
        with pytest.raises(docker.errors.NotFound):
            container_of(engine, operator)
        assert not engine.networks.list(filters={"label": f"name={operator.name}"})

    def test_a_first_password_that_nobody_waited_for_is_shown_by_the_next_start(
        self, operator: Operator
    ) -> None:
        operator.data.mkdir(parents=True)
        (operator.data / "root_password").write_text("left-behind\n")
        done = operator.vserver("start", "--image", "vantage6/there-is-none:1")
        assert first_password(done.stderr) == "left-behind"
        again = operator.vserver("start", "--image", "vantage6/there-is-none:1")
        assert "left-behind" not in again.stderr

    def test_an_image_that_is_not_there(self, operator: Operator) -> None:
        done = operator.vserver("start", "--image", "vantage6/there-is-none:1")
        assert done.returncode == 1
        assert "There is no image vantage6/there-is-none:1 on this machine" in done.stderr

    def test_the_packages_of_a_checkout(self, operator: Operator) -> None:
        Deployed(operator, "--mount-src", str(ROOT))
        program = "import vantage6.server; print(vantage6.server.__file__)"
        shown = operator.vserver("shell", "--command", program).stdout
        assert shown == "/vantage6/vantage6-server/vantage6/server/__init__.py\n"


class TestStop:
    def test_it_ends_well_and_the_next_start_goes_on(
        self, operator: Operator, engine: docker.DockerClient
    ) -> None:
        password = first_password(Deployed(operator, "--keep").told)
        assert status_of(operator) == "online"
        policy = container_of(engine, operator).attrs["HostConfig"]["RestartPolicy"]["Name"]
        assert policy == "unless-stopped"
        done = operator.vserver("stop")
        assert done.stdout == f"Stopped the server {operator.name} (user)\n"
        # Not killed: that would be 137.
        state = container_of(engine, operator).attrs["State"]
        assert (state["Running"], state["ExitCode"]) == (False, 0)
        assert status_of(operator) == "offline"
        assert not engine.networks.list(filters={"label": f"name={operator.name}"})
        again = Deployed(operator)
        assert "Its password" not in again.told
        assert again.log_in("root", password) == 200

    def test_nothing_is_left_unless_it_is_kept(
        self, operator: Operator, engine: docker.DockerClient
    ) -> None:
        Deployed(operator)
        assert operator.vserver("stop").returncode == 0
        with pytest.raises(docker.errors.NotFound):
            container_of(engine, operator)

    def test_all_are_stopped_at_once(
        self,
        operator: Operator,
        tmp_path: Path,
        engine: docker.DockerClient,
        image: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        (tmp_path / "other").mkdir()
        with at_work(tmp_path / "other", engine, image=image) as other:
            names = {Deployed(one).operator.name for one in (operator, other)}
            # All those of this test: others may run on this machine.
            api = Narrowed("|".join(names))
            monkeypatch.setattr(containers, "connect", lambda: api)
            done = CliRunner().invoke(main, ["stop", "--all"])
            api.close()
            stopped = re.findall(r"Stopped the server (\S+) \(user\)", done.stdout)
            assert set(stopped) == names
            assert not any(container_exists(engine, one) for one in (operator, other))


class Narrowed(docker.APIClient):
    """The engine, as if it had no containers but those with a name like a pattern."""

    def __init__(self, pattern: str) -> None:
        super().__init__(**kwargs_from_env(), version="auto")
        self._pattern = pattern

    def containers(self, *, filters: dict[str, Any], **options: Any) -> Any:
        """List them."""
        return super().containers(filters={**filters, "name": self._pattern}, **options)


def container_exists(engine: docker.DockerClient, operator: Operator) -> bool:
    return bool(engine.containers.list(all=True, filters={"label": f"name={operator.name}"}))


class TestImport:
    def test_a_relative_path_before_and_beside_the_server(
        self, operator: Operator, image: str
    ) -> None:
        path = write_import(operator.home)
        done = operator.vserver("import", path.name)
        assert done.returncode == 0, done.stderr
        assert "Imported 1 organizations, 1 users" in done.stdout
        password = first_password(done.stderr)
        server = Deployed(operator)
        assert server.log_in("root", password) == 200
        assert server.log_in("ada", "Lovelace-1") == 200
        again = operator.vserver("import", path.name, "--json")
        assert again.returncode == 1
        assert again.stderr == (
            "Error: import.yaml: nothing was imported: organization 'Alpha': another "
            "organization has that name\n"
        )

    def test_it_leaves_no_copy_and_no_container(
        self, operator: Operator, engine: docker.DockerClient
    ) -> None:
        operator.vserver("import", write_import(operator.home))
        kept = {path.name for path in operator.data.iterdir()}
        assert kept <= {"server.sqlite", "server.sqlite-shm", "server.sqlite-wal"}
        filters = {"label": f"name={operator.name}"}
        assert engine.containers.list(all=True, filters=filters) == []

    def test_dropping_all_must_be_allowed(self, operator: Operator, image: str) -> None:
        path = write_import(operator.home)
        assert operator.vserver("import", path).returncode == 0
        assert operator.vserver("import", "--drop-all", "--json", path).returncode == 0
        config = operator.configure(image=image, allow_drop_all=False)
        done = operator.vserver("import", "--drop-all", path)
        assert done.returncode == 1
        assert f"{config}, environment 'prod', does not allow to drop all tables" in done.stderr


class TestPostgreSQL:
    def test_one_that_containers_reach(
        self, operator: Operator, engine: docker.DockerClient, postgres: Postgres, image: str
    ) -> None:
        with passing_on(address_for_containers(engine), postgres.port) as port:
            uri = postgres.create()
            reached = uri.replace(f"{LOOPBACK}:{postgres.port}", f"host.docker.internal:{port}")
            operator.configure(image=image, uri=reached)
            server = Deployed(operator)
            assert server.log_in("root", first_password(server.told)) == 200
            assert operator.vserver("stop").returncode == 0
        assert not (operator.data / "server.sqlite").exists()

    def test_one_on_the_loopback_is_refused_at_once(
        self, operator: Operator, postgres: Postgres, image: str
    ) -> None:
        operator.configure(image=image, uri=postgres.uri("v6"))
        done = operator.vserver("start")
        assert done.returncode == 1
        assert "cannot be reached from a container" in done.stderr
        assert "host.docker.internal" in done.stderr


def test_attach_from_the_start_and_to_the_end(operator: Operator) -> None:
    words = ["start", "-n", operator.name, "--user", "--ip", LOOPBACK, "--attach"]
    terminal = operator.terminal("vserver", *words)
    terminal.expect("is running: http://")
    terminal.expect("listening on")
    assert operator.vserver("stop").returncode == 0
    terminal.expect("The server has stopped")
    terminal.expect(pexpect.EOF)
    assert terminal.wait() == 0
