"""What is done, or said, where no engine answers."""

import threading

import pytest
from docker.errors import DockerException

from development import engine
from development.console import SetupError


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine without an engine; its settings may be changed by name."""

    def describe(*, ours=False, programs=(), error="no such file"):
        def connect():
            raise DockerException(error)

        monkeypatch.setattr(engine, "connect", connect)
        monkeypatch.setattr(engine.debian, "is_ours", lambda: ours)
        monkeypatch.setattr(engine, "_has", lambda name: name in programs)

    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(engine, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(engine, "PID_FILE", tmp_path / "docker.pid")
    describe()
    return describe


def said() -> str:
    with pytest.raises(SetupError) as caught:
        engine.ensure_engine()
    return str(caught.value)


def test_no_engine_and_no_right_to_install_one(machine):
    assert said().startswith("no container engine is installed; install Docker")


def test_an_engine_that_does_not_run(machine):
    machine(programs=("docker", "dockerd"))
    assert "sudo systemctl start docker" in said()


def test_a_client_without_an_engine(machine):
    machine(programs=("docker",))
    assert "DOCKER_HOST" in said()


def test_a_user_outside_the_group(machine):
    machine(programs=("docker", "dockerd"), error="PermissionError(13, 'Permission denied')")
    assert "usermod -aG docker" in said()


def test_an_engine_that_was_named_is_not_replaced(machine, monkeypatch):
    machine(ours=True)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert said() == "no container engine answers at DOCKER_HOST=tcp://127.0.0.1:1"


def test_two_at_once_start_one_engine(machine, monkeypatch):
    machine(ours=True)
    started = []
    both_need_one = threading.Barrier(2)
    refuse = engine.connect

    def connect():
        if started:
            return "client"
        return refuse()

    def obstacle(error):
        both_need_one.wait()

    monkeypatch.setattr(engine, "connect", connect)
    monkeypatch.setattr(engine, "_obstacle", obstacle)
    monkeypatch.setattr(engine, "_start", lambda: started.append("engine") or "client")
    clients = []
    threads = [
        threading.Thread(target=lambda: clients.append(engine.ensure_engine())) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clients == ["client", "client"]
    assert started == ["engine"]


@pytest.mark.parametrize("left", ["1", "4194304999"])
def test_what_a_killed_engine_left_is_removed(machine, left):
    engine.PID_FILE.write_text(left)
    engine._remove_stale_pid_file()
    assert not engine.PID_FILE.exists()
