"""Questions and menus in a real terminal: what an operator types and sees."""

from pathlib import Path

import pexpect
import pytest
import yaml
from operators import Operator

DOWN, ENTER = "\x1b[B", "\r"
NAME = "What should the configuration be called?"


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


def answer(terminal: "pexpect.spawn[str]", question: str, text: str = "") -> None:
    """Answer one question; nothing takes what is offered."""
    terminal.expect_exact(question)
    if text:
        # Instead of the text that stands there already.
        terminal.send("\x01\x0b" + text)
    terminal.send(ENTER)


@pytest.mark.parametrize("program", ["vserver", "vserver-local"])
def test_the_wizard_from_the_first_question_to_the_file(operator: Operator, program: str) -> None:
    terminal = operator.terminal(program, "new", "--user", "-e", "acc")
    answer(terminal, NAME, "my server")
    answer(terminal, "What is this server for?", "A trial")
    terminal.expect_exact("What kind of server is it?")
    terminal.send(DOWN + ENTER)
    answer(terminal, "Which address should it listen on?")
    answer(terminal, "Which port should it listen on?", "7601")
    answer(terminal, "Which path should the API be under?", "/v6")
    answer(terminal, "Which database should it use?")
    answer(terminal, "May an import drop all tables?", "")
    answer(terminal, "Keep the secret for tokens in this file?", "")
    answer(terminal, "How much should it log?")
    answer(terminal, "Must users log in with a second factor?")
    terminal.expect_exact("Is there a VPN server?")
    terminal.send("n")
    terminal.expect_exact("Are there several server processes")
    terminal.send("y")
    answer(terminal, "Which one?", "amqp://user:hush@broker.example:5672/v6")
    path = operator.configurations / "my-server.yaml"
    terminal.expect_exact(f"Wrote {path}")
    terminal.expect_exact(f"Start it: {program} start --name my-server -e acc --user")
    terminal.expect(pexpect.EOF)
    assert terminal.wait() == 0
    written = yaml.safe_load(path.read_text())["environments"]["acc"]
    assert (written["description"], written["type"]) == ("A trial", "acc")
    assert (written["ip"], written["port"], written["api_path"]) == ("0.0.0.0", 7601, "/v6")
    assert written["rabbitmq_uri"] == "amqp://user:hush@broker.example:5672/v6"
    assert written["allow_drop_all"] is False


def test_the_wizard_says_at_once_what_cannot_be(operator: Operator) -> None:
    terminal = operator.terminal("vserver", "new", "--user", "--name", "mine", "--type", "prod")
    answer(terminal, "What is this server for?")
    answer(terminal, "Which address should it listen on?")
    answer(terminal, "Which port should it listen on?", "none")
    terminal.expect_exact("Not a valid integer")
    terminal.send("\x01\x0b7601" + ENTER)
    terminal.expect_exact("Which path should the API be under?")
    terminal.close(force=True)


@pytest.mark.parametrize("questions", [0, 1, 3])
def test_ctrl_c_in_the_wizard_leaves_nothing_behind(operator: Operator, questions: int) -> None:
    asked = [NAME, "What is this server for?", "What kind of server is it?"]
    asked.append("Which address should it listen on?")
    terminal = operator.terminal("vserver", "new", "--user")
    for question in asked[:questions]:
        terminal.expect_exact(question)
        terminal.send("mine" + ENTER)
    terminal.expect_exact(asked[questions])
    terminal.sendintr()
    terminal.expect_exact("Aborted!")
    terminal.expect(pexpect.EOF)
    assert terminal.wait() == 1
    assert list(operator.home.iterdir()) == []


class TestMenu:
    def test_one_is_chosen_with_the_arrows(self, operator: Operator) -> None:
        operator.configure("prod")
        operator.configure("dev", api_path="/dev")
        terminal = operator.terminal("vserver-local", "files", "--user")
        terminal.expect_exact("Which server?")
        terminal.expect_exact(f"{operator.name} (prod)")
        terminal.send(DOWN + ENTER)
        terminal.expect(f"configuration +{operator.configurations}/{operator.name}.yaml")
        terminal.expect(pexpect.EOF)
        assert terminal.wait() == 0

    def test_ctrl_c_chooses_nothing(self, operator: Operator) -> None:
        operator.configure()
        terminal = operator.terminal("vserver", "files", "--user")
        terminal.expect_exact("Which server?")
        terminal.sendintr()
        terminal.expect(pexpect.EOF)
        assert terminal.wait() == 1

    def test_without_a_terminal_nobody_is_asked(self, operator: Operator) -> None:
        operator.configure()
        done = operator.run("vserver", "files", "--user")
        assert done.returncode == 1
        assert done.stderr == "Error: Which server? Say so with --name NAME or --config FILE\n"


def test_the_shell_of_a_server_that_does_not_run(operator: Operator) -> None:
    operator.configure(type="dev")
    terminal = operator.terminal("vserver-local", "shell", "-n", operator.name, "--user")
    terminal.expect_exact("The models are in `db`")
    terminal.expect(r"In \[")
    terminal.sendline("db.User.get()")
    terminal.expect_exact("[<User 1 'root'>]")
    # Ctrl+C ends what is typed, not the shell.
    terminal.send("something")
    terminal.sendintr()
    terminal.sendline("print('still', 'here')")
    terminal.expect_exact("still here")
    terminal.sendline("exit()")
    terminal.expect(pexpect.EOF)
    assert terminal.wait() == 0
    # What is typed may be a password.
    kept = operator.home.rglob("*history*")
    assert not [path for path in kept if path.is_file() and b"still" in path.read_bytes()]
