"""The real server process: what it prints, serves, and how it stops."""

import http.client
import json
import socket
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import requests
import simple_websocket
import socketio
from clients import bearer
from served import LOOPBACK, Served, run, write_config, write_import
from sockets import PATIENCE, Listener, read_to_the_end
from wsproto.frame_protocol import CloseReason

from development.postgres import Postgres
from vantage6.common.exceptions import ConfigurationError
from vantage6.server.serve import bind, url


class Upload:
    """A new organization that is sent in pieces."""

    def __init__(self, server: Served, body: bytes) -> None:
        self._connection = http.client.HTTPConnection(LOOPBACK, int(server.port), timeout=PATIENCE)
        self._connection.putrequest("POST", "/api/organization")
        self._connection.putheader("Content-Type", "application/json")
        self._connection.putheader("Content-Length", str(len(body)))
        self._connection.putheader("Authorization", f"Bearer {server.token()}")
        self._connection.endheaders()

    def __enter__(self) -> "Upload":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def send(self, piece: bytes) -> None:
        """Send a piece of the body."""
        self._connection.send(piece)

    def status(self) -> int:
        """What the server says to the whole."""
        with self._connection.getresponse() as answer:
            return answer.status


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path)


@pytest.fixture
def server(config: Path) -> Iterator[Served]:
    with Served("--config", config) as server:
        yield server


class TestBind:
    def test_port_zero_picks_a_free_one(self) -> None:
        with bind(LOOPBACK, 0) as listener:
            assert url(listener) == f"http://{LOOPBACK}:{listener.getsockname()[1]}"

    def test_names_and_six_are_fine(self) -> None:
        with bind("localhost", 0) as listener:
            assert url(listener).startswith("http://127.0.0.1:")

    def test_an_address_of_another_machine(self) -> None:
        with pytest.raises(ConfigurationError) as refused:
            bind("203.0.113.1", 0)
        reason = "this machine does not have that address"
        assert str(refused.value) == f"Cannot listen on 203.0.113.1 port 0: {reason}"

    def test_a_name_that_is_not_known(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(*_: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        with pytest.raises(ConfigurationError, match="port 0: Name or service not known"):
            bind("nowhere", 0)

    def test_a_taken_port_is_said(self) -> None:
        with bind(LOOPBACK, 0) as listener:
            port = listener.getsockname()[1]
            with pytest.raises(ConfigurationError, match="another program listens there"):
                bind(LOOPBACK, port)


class TestStarting:
    def test_it_says_where_it_listens_and_answers(self, server: Served, tmp_path: Path) -> None:
        assert server.url.startswith(f"http://{LOOPBACK}:")
        assert server.get("health").json() == {"database": True}
        assert server.token()

    def test_the_address_is_in_the_ready_file_as_long_as_it_serves(
        self, config: Path, tmp_path: Path
    ) -> None:
        ready = tmp_path / "url"
        ready.write_text("http://left.over:1")
        with Served("--config", config, "--ready-file", ready) as server:
            assert server.url == ready.read_text().strip()
            assert server.terminate() == 0
        assert not ready.exists()

    def test_options_go_before_the_configuration(self, tmp_path: Path) -> None:
        config = write_config(tmp_path, ip="203.0.113.1", port=1)
        with Served("--config", config, "--ip", LOOPBACK, "--port", "0") as server:
            assert server.get("version").ok

    def test_a_taken_port_ends_it_with_one_sentence(self, config: Path, tmp_path: Path) -> None:
        with socket.create_server((LOOPBACK, 0)) as taken:
            port = taken.getsockname()[1]
            done = run("start", "--config", config, "--port", str(port))
        assert done.returncode == 1
        assert done.stderr == (
            f"Error: Cannot listen on {LOOPBACK} port {port}: another program listens there\n"
        )
        assert not (tmp_path / "data").exists()

    def test_an_audit_trail_that_cannot_be_written_ends_it_with_one_sentence(
        self, config: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "log" / "server.audit.log").mkdir(parents=True)
        ended = run("start", "--config", config)
        assert ended.returncode == 1
        assert "server.audit.log cannot be written: Is a directory" in ended.stderr
        assert "Traceback" not in ended.stderr

    def test_it_keeps_its_name_whatever_the_environment_says(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One that is asked for by its name, that is; the name of a file gives way."""
        write_config(tmp_path, directories={"log": str(tmp_path / "log")})
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
        monkeypatch.setenv("VANTAGE6_CONFIG_NAME", "clinic")
        monkeypatch.chdir(tmp_path)
        with Served("--name", "hospital", "--user") as server:
            assert server.token()
        assert [path.name for path in (tmp_path / "share" / "vantage6" / "server").iterdir()] == [
            "hospital"
        ]

    def test_two_at_once_on_a_fresh_database(self, config: Path) -> None:
        with Served("--config", config) as first, Served("--config", config) as second:
            token = first.token()
            assert second.get("organization", headers=bearer(token)).status_code == 200

    def test_tokens_outlive_a_restart(self, config: Path) -> None:
        with Served("--config", config) as server:
            token = server.token()
            server.terminate()
        with Served("--config", config) as server:
            assert server.get("organization", headers=bearer(token)).status_code == 200

    def test_root_has_a_random_password_in_production(self, tmp_path: Path) -> None:
        with Served("--config", write_config(tmp_path, type="prod")) as server:
            body = {"username": "root", "password": "root"}
            assert server.post("token/user", body).status_code == 401
            shown = [line for line in server.printed if "Its password is shown only now" in line]
            assert server.token(password=shown[0].rpartition(" ")[2])
            server.terminate()
        log = (tmp_path / "log" / "server.log").read_text()
        assert shown[0].rpartition(" ")[2] not in log


class TestServing:
    def test_sockets_and_requests_side_by_side(self, server: Served) -> None:
        token = server.token()
        listeners = [Listener(server.url, token) for _ in range(50)]
        assert {listener.client.transport() for listener in listeners} == {"websocket"}
        assert all(server.get("version").ok for _ in range(50))
        for listener in listeners:
            listener.close()

    def test_a_client_that_only_polls_is_served(self, server: Served) -> None:
        with requests.Session() as session:
            client = socketio.Client(reconnection=False, http_session=session)
            client.connect(
                server.url,
                headers=bearer(server.token()),
                namespaces=["/tasks"],
                transports=["polling"],
                wait_timeout=PATIENCE,
            )
            assert client.call("join_room", "all_users", namespace="/tasks") is None
            client.disconnect()


class TestWriting:
    """Those who wait for the database keep nobody else waiting."""

    def test_many_at_once(self, empty_uri: str, tmp_path: Path) -> None:
        with Served("--config", write_config(tmp_path, uri=empty_uri)) as server:
            headers = bearer(server.token())
            url = f"{server.url}/api/organization"

            def create(number: int) -> int:
                body = {"name": f"organization {number}"}
                return requests.post(url, json=body, headers=headers, timeout=PATIENCE).status_code

            # Each transaction waits for the disk at its end, and others begin meanwhile.
            with ThreadPoolExecutor(40) as pool:
                assert set(pool.map(create, range(120))) == {201}
            answer = server.get("organization?per_page=1", headers=headers)
            assert answer.headers["total-count"] == "121"

    def test_a_row_that_is_locked_on_postgresql(self, postgres: Postgres, tmp_path: Path) -> None:
        uri = postgres.create()
        plain = uri.replace("postgresql+psycopg", "postgresql")
        with Served("--config", write_config(tmp_path, uri=uri)) as server:
            headers = bearer(server.token())
            with psycopg.connect(plain) as other, ThreadPoolExecutor(1) as pool:
                other.execute("SELECT id FROM organization FOR UPDATE")
                change = {"country": "later"}
                writing = pool.submit(server.patch, "organization/1", change, headers=headers)
                url = f"{server.url}/api/organization"
                for _ in range(20):
                    assert requests.get(url, headers=headers, timeout=PATIENCE).ok
                assert not writing.done()
                other.rollback()
                assert writing.result().status_code == 200
            assert server.terminate() == 0
        postgres.drop(uri)

    def test_a_writer_elsewhere_keeps_only_writers_waiting(
        self, server: Served, tmp_path: Path
    ) -> None:
        headers = bearer(server.token())
        # The first request of somebody is written down.
        assert server.get("organization", headers=headers).ok
        file = tmp_path / "data" / "server.sqlite"
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with ThreadPoolExecutor(1) as pool:
                body = {"name": "later"}
                writing = pool.submit(server.post, "organization", body, headers=headers)
                url = f"{server.url}/api/organization"
                for _ in range(20):
                    assert requests.get(url, headers=headers, timeout=PATIENCE).ok
                assert not writing.done()
                other.execute("COMMIT")
                assert writing.result().status_code == 201


class TestStopping:
    @pytest.mark.parametrize("how", ["press_ctrl_c", "terminate"])
    def test_it_stops_cleanly_and_lets_sockets_go(self, server: Served, how: str) -> None:
        listener = Listener(server.url, server.token())
        assert getattr(server, how)() == 0
        assert listener.wait_until_gone()
        listener.close()
        assert not [line for line in server.printed if "Traceback" in line or "ERROR" in line]

    def test_a_request_that_waits_is_answered(self, config: Path, tmp_path: Path) -> None:
        assert run("import", "--config", config, write_import(tmp_path)).returncode == 0
        with Served("--config", config) as server:
            token = server.token()
            waiting = http.client.HTTPConnection(LOOPBACK, int(server.port), timeout=PATIENCE)
            waiting.request("GET", "/api/task/1?wait=60", headers=bearer(token))
            # Connections are taken in turn: after this answer the first one is being served.
            requests.get(f"{server.url}/api/version", timeout=PATIENCE)
            assert server.terminate() == 0
            with waiting.getresponse() as answer:
                assert json.load(answer)["status"] == "pending"
            waiting.close()

    def test_a_body_on_its_way_may_arrive(self, server: Served) -> None:
        body = json.dumps({"name": "late"}).encode()
        address = (LOOPBACK, int(server.port))
        with Upload(server, body) as upload, ThreadPoolExecutor(1) as pool:
            upload.send(body[:5])
            with socket.create_connection(address, timeout=PATIENCE) as silent:
                ended = pool.submit(server.terminate)
                # It hangs up on those who ask for nothing, so it stops by now.
                assert silent.recv(1) == b""
            upload.send(body[5:])
            assert upload.status() == 201
            assert ended.result() == 0

    def test_a_body_that_does_not_arrive_is_not_waited_for(self, tmp_path: Path) -> None:
        config = write_config(tmp_path, stop_timeout=0)
        with Served("--config", config) as server, Upload(server, b"{}") as upload:
            upload.send(b"{")
            assert server.terminate() == 0

    def test_a_connection_that_is_kept_does_not_keep_the_server(self, tmp_path: Path) -> None:
        with Served("--config", write_config(tmp_path, stop_timeout=600)) as server:
            address = (LOOPBACK, int(server.port))
            assert server.get("version").ok
            with socket.create_connection(address, timeout=PATIENCE) as silent:
                assert server.terminate() == 0
                assert silent.recv(1) == b""

    def test_websockets_are_told(self, server: Served) -> None:
        address = server.url.replace("http", "ws")
        client = simple_websocket.Client(f"{address}/socket.io/?EIO=4&transport=websocket")
        client.receive(timeout=PATIENCE)
        assert server.terminate() == 0
        with pytest.raises(simple_websocket.ConnectionClosed) as closed:
            read_to_the_end(client)
        # One that is just gone would have none.
        assert closed.value.reason == CloseReason.NORMAL_CLOSURE

    def test_nobody_is_online_afterwards(self, server: Served, tmp_path: Path) -> None:
        listener = Listener(server.url, server.token())
        assert server.terminate() == 0
        listener.close()
        with closing(sqlite3.connect(tmp_path / "data" / "server.sqlite")) as database:
            statuses = database.execute("SELECT status FROM authenticatable").fetchall()
        assert statuses == [("offline",)]

    def test_clients_come_back_by_themselves(self, config: Path) -> None:
        back = threading.Event()
        with requests.Session() as session:
            client = socketio.Client(reconnection_delay=0.1, http_session=session)
            with Served("--config", config) as server:
                port = server.port
                client.connect(
                    server.url,
                    headers=bearer(server.token()),
                    namespaces=["/tasks"],
                    wait_timeout=PATIENCE,
                )
                transport = client.eio.ws
                client.on("connect", back.set, namespace="/tasks")
                server.terminate()
            transport.shutdown()
            with Served("--config", config, "--port", port):
                assert back.wait(PATIENCE)
                client.disconnect()

    def test_it_ends_with_its_worker_when_killed_itself(self, server: Served) -> None:
        listener = Listener(server.url, server.token())
        server.kill()
        assert listener.wait_until_gone()
        listener.close()
