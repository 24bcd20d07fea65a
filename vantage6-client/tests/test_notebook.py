"""Progress in a notebook: one output that is replaced, without widgets."""

import atexit
import io
import logging
import sys

import IPython
import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from rich.console import Console

from vantage6.client import screen
from vantage6.client.progress import Progress
from vantage6.client.screen import Kind
from vantage6.common.exceptions import ServerUnreachable


@pytest.fixture
def shell(monkeypatch, tmp_path):
    """A shell of a notebook's kind that keeps what is displayed."""
    shell = InteractiveShell(ipython_dir=str(tmp_path))
    shell.display_pub = CapturingDisplayPublisher(parent=shell)
    # What distinguishes the shell of a notebook: a kernel runs it.
    shell.kernel = object()
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    monkeypatch.setattr(InteractiveShell, "_instance", shell)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    yield shell
    shell.history_manager.end_session()
    atexit.unregister(shell.atexit_operations)


class Client:
    """A client whose server is away, so that only events tell something."""

    log = logging.getLogger("test")

    def send(self, *_, **__):
        raise ServerUnreachable("away")


def event(status, **more):
    ids = {"result_id": 3, "task_id": 1, "parent_id": None, "organization_id": 7}
    return {**ids, "status": status, **more}


def test_one_output_is_replaced_until_the_end(shell):
    output = io.StringIO()
    names = {7: "<b>beta</b>", 8: "gamma"}
    with Progress(Client(), {"id": 1}, names, Console(file=output)) as progress:
        progress.event(event("active"))
        progress.event(event("crashed", task_id=2, parent_id=1, result_id=4, organization_id=8))
        progress.event(event("completed"))
        progress.look()
    first, *others = shell.display_pub.outputs
    assert output.getvalue() == "", "nothing is written beside it"
    assert not first.get("update")
    assert all(shown["update"] for shown in others)
    assert {shown["transient"]["display_id"] for shown in others} == {
        first["transient"]["display_id"]
    }
    last = others[-1]["data"]
    assert "✓  task 1" in last["text/plain"]
    assert "✗  └ subtask 2  gamma" in last["text/plain"]
    assert "Task 1: completed after " in last["text/plain"]
    assert "&lt;b&gt;beta&lt;/b&gt;" in last["text/html"]
    assert "<b>beta" not in last["text/html"], "names are words, not a part of the page"


def test_an_interrupt_says_how_to_come_back(shell):
    with pytest.raises(KeyboardInterrupt), Progress(Client(), {"id": 1}, {}):
        raise KeyboardInterrupt
    last = shell.display_pub.outputs[-1]["data"]["text/plain"]
    assert "client.task.wait(1) comes back to it" in " ".join(last.split())


def test_no_keys_are_read_in_a_notebook(shell, monkeypatch):
    monkeypatch.setattr("vantage6.client.keyboard._terminal", lambda: 1 / 0)
    with Progress(Client(), {"id": 1}, {}, Console(force_terminal=True)):
        assert screen.kind_of(Console(force_terminal=True)) is Kind.NOTEBOOK


def test_a_shell_in_a_terminal_is_a_terminal(shell):
    del shell.kernel
    assert screen.kind_of(Console(force_terminal=True, _environ={})) is Kind.TERMINAL
    assert screen.kind_of(Console(file=io.StringIO())) is Kind.LINES


def test_a_terminal_that_can_do_nothing_gets_lines():
    console = Console(force_terminal=True, _environ={"TERM": "dumb"})
    assert screen.kind_of(console) is Kind.LINES
