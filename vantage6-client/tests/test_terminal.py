"""Waiting in a real terminal: what is drawn, what keys do, and how the terminal is left."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest

from vantage6.client.keyboard import Keyboard

PROGRAM = Path(__file__).with_name("waiting_client.py")
STEERING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A pseudo-terminal with a program in its foreground."""

    def __init__(self, command, columns):
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self._theirs = theirs
        self.before = termios.tcgetattr(theirs)
        self.text = ""
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color"},
            preexec_fn=lambda: (os.setsid(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)),
        )

    def read_until(self, words):
        """Read until words are on the screen."""
        while words not in self.text:
            piece = os.read(self._ours, 4096).decode(errors="replace")
            assert piece, self.text
            self.text += STEERING.sub("", piece)

    def press(self, keys):
        os.write(self._ours, keys.encode())

    @property
    def is_restored(self):
        """Whether the settings are those of the beginning."""
        return termios.tcgetattr(self._theirs) == self.before

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


@pytest.fixture(params=[60, 120], ids=["narrow", "wide"])
def columns(request):
    return request.param


@pytest.fixture
def released():
    """Lets the runs go on."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def working(federation, algorithm, released):
    """Nodes whose runs go on until they are let go."""

    def size(data):
        assert released.wait(60)
        if len(data) > 5:
            raise ValueError("\x1b[2Jtoo many rows")
        return len(data)

    with federation.work(algorithm(RPC_size=size), [[1], [1, 2], [1] * 9]) as nodes:
        yield nodes
        released.set()


@pytest.fixture
def open_terminal(live, create):
    """Start the script in a terminal; gives it and the task."""
    opened = []

    def start(organizations, columns=80, state="active"):
        task = create(organizations)
        options = {"port": live, "task": task["id"]}
        terminal = Terminal([sys.executable, str(PROGRAM), json.dumps(options)], columns)
        opened.append(terminal)
        terminal.read_until("Ctrl-C: leave")
        terminal.read_until(state)
        return terminal, task

    yield start
    for terminal in opened:
        terminal.close()


@pytest.mark.usefixtures("working")
def test_runs_are_drawn_until_the_end(open_terminal, federation, released, columns):
    terminal, task = open_terminal(federation.ids[:2], columns)
    assert not terminal.is_restored, "keys are read without Enter"
    released.set()
    terminal.read_until("values [1, 2]")
    assert f"Task {task['id']}: completed after " in terminal.text
    assert "alpha" in terminal.text
    assert terminal.process.wait() == 0
    assert terminal.is_restored


@pytest.mark.usefixtures("working")
def test_a_key_shows_the_logs_without_what_would_steer_the_terminal(
    open_terminal, federation, released
):
    terminal, task = open_terminal(federation.ids)
    terminal.press("l")
    terminal.read_until("logs of runs are shown")
    released.set()
    terminal.read_until("failed Task")
    terminal.read_until("or .answers of this error")
    assert "gamma │ warn > Error" in terminal.text.replace("\r\n", " ")
    assert f"Task {task['id']}: crashed after " in terminal.text
    assert "too many rows" in terminal.text
    assert terminal.process.wait() == 0
    assert terminal.is_restored


def test_a_task_is_killed_by_a_key_that_is_pressed_twice(open_terminal, federation, client):
    terminal, task = open_terminal(federation.ids[:1], state="pending")
    terminal.press("k")
    terminal.read_until("k: yes")
    assert not client.task.get(task["id"])["complete"]
    terminal.press("k")
    terminal.read_until("killed by user")
    terminal.read_until("failed Task")
    assert client.task.get(task["id"])["status"] == "killed by user"
    assert terminal.process.wait() == 0
    assert terminal.is_restored


@pytest.mark.usefixtures("working")
def test_another_key_does_not_kill(open_terminal, federation, client, released):
    terminal, task = open_terminal(federation.ids[:1])
    terminal.press("k")
    terminal.read_until("k: yes")
    terminal.press("n")
    terminal.press("l")
    terminal.read_until("logs of runs are shown")
    terminal.press("k")
    assert not client.task.get(task["id"])["complete"]
    released.set()
    terminal.read_until("values [1]")


def test_an_interrupt_leaves_the_task_alone(open_terminal, federation, client):
    terminal, task = open_terminal(federation.ids[:1], state="pending")
    terminal.press("\x03")
    terminal.read_until("interrupted")
    said = " ".join(terminal.text.split())
    assert f"Task {task['id']} goes on without you: client.task.wait({task['id']})" in said
    assert terminal.process.wait() == 0
    assert terminal.is_restored
    assert not client.task.get(task["id"])["complete"]


@pytest.mark.usefixtures("working")
def test_without_a_terminal_lines_are_plain_and_no_key_is_read(live, federation, create, released):
    task = create(federation.ids)
    options = json.dumps({"port": live, "task": task["id"]})
    command = [sys.executable, str(PROGRAM), options]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, text=True, **pipes) as process:
        lines = [process.stderr.readline()]
        released.set()
        out, rest = process.communicate("kk")
    lines = [line.removesuffix("\n") for line in lines] + rest.splitlines()
    assert all(line.isprintable() for line in lines), lines
    assert lines[-1].startswith(f"Task {task['id']}: crashed after ")
    assert sum("gamma: crashed" in line for line in lines) == 1
    assert out.startswith(f"failed Task {task['id']} failed at gamma (crashed): ")
    assert "\x1b" not in out


def test_the_terminal_is_restored_when_something_goes_wrong(monkeypatch):
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    with os.fdopen(theirs) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr("vantage6.client.keyboard._is_ours", lambda terminal: True)
        keyboard = Keyboard(lambda _: None)
        with pytest.raises(ZeroDivisionError), keyboard:
            # Fails, unless the settings are still those of before.
            0 / (termios.tcgetattr(theirs) == before)
        assert not keyboard.is_read
        assert termios.tcgetattr(theirs) == before
    os.close(ours)


def test_keys_of_a_terminal_that_is_anothers_are_not_read(monkeypatch):
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with Keyboard(lambda _: None) as keyboard:
            assert not keyboard.is_read
    os.close(ours)


@pytest.mark.parametrize("stdin", [None, "closed"])
def test_a_program_without_standard_input_reads_no_keys(monkeypatch, tmp_path, stdin):
    if stdin == "closed":
        stdin = (tmp_path / "file").open("w")
        stdin.close()
    monkeypatch.setattr(sys, "stdin", stdin)
    with Keyboard(lambda _: None) as keyboard:
        assert not keyboard.is_read
