import sys
import threading

import pytest

from development import console
from development.console import SetupError, last_line, main, run, step


def test_a_short_step_says_nothing(capsys):
    with step("Short"):
        pass
    assert capsys.readouterr().err == ""


def test_a_long_step_names_itself_and_its_seconds(monkeypatch):
    lines = []
    reported = threading.Event()

    def write(line, end=""):
        lines.append(line)
        reported.set()

    monkeypatch.setattr(console, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(console, "_write", write)
    with step("Long"):
        assert reported.wait(timeout=60)
    assert lines == ["Long … 0 s", "Long: 0.0 s"]


def test_a_failed_step_does_not_look_like_a_success(capsys, monkeypatch):
    monkeypatch.setattr(console, "QUIET_SECONDS", 0.0)
    with pytest.raises(SetupError), step("Failing"):
        raise SetupError("no")
    assert "Failing:" not in capsys.readouterr().err


def test_a_program_that_fails_is_one_sentence():
    program = "print('ERROR: no such thing'); print('hint: look elsewhere'); exit(3)"
    with pytest.raises(SetupError, match=r"^it did not work: ERROR: no such thing$"):
        run([sys.executable, "-c", program], "it did not work")


def test_the_output_of_a_program_is_returned():
    assert run([sys.executable, "-c", "print('fine')"], "") == "fine\n"


def test_a_program_that_hangs_up_its_group_does_not_take_us_along():
    program = "import os, signal; os.kill(0, signal.SIGHUP)"
    with pytest.raises(SetupError, match="it did not work: it gave no reason"):
        run([sys.executable, "-c", program], "it did not work")


def test_a_program_that_said_nothing():
    assert last_line("\n\n") == "it gave no reason"


def test_a_command_ends_with_one_sentence():
    def fail():
        raise SetupError("this is missing")

    with pytest.raises(SystemExit) as ended:
        main(fail)
    assert ended.value.code == "error: this is missing"
