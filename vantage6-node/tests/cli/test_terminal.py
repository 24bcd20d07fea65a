"""Questions in a real terminal, and what is said where there is none."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
import yaml

from development.engine import ensure_engine
from development.terminal import spawn

COMMANDS = Path(sys.executable).parent
ENTER = "\r"
_SECONDS = 60
# Containers and volumes of a node carry its name; no real one on this machine has this.
NODE = f"north-{os.getpid()}"


class Owner:
    """An owner of data, whose commands see only the folders of a test."""

    def __init__(self, home: Path) -> None:
        self.home = home
        kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
        own = {"HOME": str(home), "XDG_CONFIG_DIRS": str(home / "xdg")}
        # The library of menus would ask the terminal where its cursor is, and wait.
        terminal = {"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm", "COLUMNS": "200"}
        self.variables = {**kept, **own, "XDG_DATA_DIRS": str(home / "data"), **terminal}

    @property
    def config(self) -> Path:
        return self.home / f".config/vantage6/node/{NODE}.yaml"

    @property
    def data(self) -> Path:
        return self.home / f".local/share/vantage6/node/{NODE}"

    def make(self) -> None:
        made = self.run("new", "-n", NODE, "--yes", "--api-key", "old", "--no-encryption")
        assert made.returncode == 0, made.stderr

    def run(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command without a terminal."""
        return subprocess.run(
            [COMMANDS / "vnode", *words],
            env=self.variables, cwd=self.home, input=text,
            capture_output=True, text=True, timeout=_SECONDS, check=False,
        )  # fmt: skip

    def terminal(self, *words: str) -> "pexpect.spawn[str]":
        return spawn(
            COMMANDS / "vnode",
            words,
            variables=self.variables,
            folder=self.home,
            seconds=_SECONDS,
        )


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    return Owner(tmp_path)


def answer(terminal: "pexpect.spawn[str]", question: str, text: str = "") -> None:
    """Answer one question; nothing takes what is offered."""
    terminal.expect_exact(question)
    if text:
        terminal.send("\x01\x0b" + text)
    terminal.send(ENTER)


def ends(terminal: "pexpect.spawn[str]", code: int = 0) -> None:
    terminal.expect(pexpect.EOF)
    assert terminal.wait() == code


class TestWizard:
    def test_from_the_first_question_to_the_file(self, owner: Owner) -> None:
        terminal = owner.terminal("new", "-e", "prod")
        answer(terminal, "Name of the configuration", "my north")
        answer(terminal, "API key", "secret")
        answer(terminal, "Base URL of the server", "https://server.example")
        answer(terminal, "Port of the server", "443")
        answer(terminal, "Path of the API")
        answer(terminal, "Folder for the files of tasks")
        answer(terminal, "Path of the default database", "/srv/patients.csv")
        terminal.expect_exact("Add another database?")
        terminal.send("n")
        answer(terminal, "Images that may run here", "^a$ ^b$")
        answer(terminal, "Log level")
        terminal.expect_exact("Connect to a VPN server?")
        terminal.send("n")
        terminal.expect_exact("Is the collaboration encrypted?")
        terminal.send("y")
        answer(terminal, "Path of the private key", "/srv/key.pem")
        terminal.expect_exact("vnode start --name my-north --environment prod")
        ends(terminal)
        written = yaml.safe_load(owner.config.with_name("my-north.yaml").read_text())
        section = written["environments"]["prod"]
        assert section["databases"] == {"default": "/srv/patients.csv"}
        assert section["allowed_images"] == ["^a$", "^b$"]

    def test_ctrl_c_leaves_nothing_behind(self, owner: Owner) -> None:
        terminal = owner.terminal("new")
        answer(terminal, "Name of the configuration", NODE)
        terminal.expect_exact("Environment")
        terminal.sendintr()
        terminal.expect_exact("Aborted!")
        ends(terminal, code=1)
        assert not owner.config.exists()

    def test_a_start_without_a_configuration_offers_it(self, owner: Owner) -> None:
        owner.variables["DOCKER_HOST"] = "unix:///nowhere.sock"
        terminal = owner.terminal("start", "-n", NODE)
        terminal.expect_exact(f"There is no node configuration '{NODE}'")
        terminal.expect_exact("Answer some questions to make it now?")
        terminal.send(ENTER)
        for question in ("API key", "Base URL", "Port", "Path of the API", "Folder", "default"):
            answer(terminal, question)
        terminal.expect_exact("Add another database?")
        terminal.send("n")
        for question in ("Images that may run here", "Log level", "VPN", "encrypted", "private"):
            answer(terminal, question)
        terminal.expect_exact(f"The configuration is in {owner.config}")
        # And then it is started, as was asked.
        terminal.expect_exact("No container engine answers")
        ends(terminal, code=1)
        assert owner.config.exists()

    def test_a_start_makes_nothing_that_nobody_wants(self, owner: Owner) -> None:
        terminal = owner.terminal("start", "-n", NODE)
        terminal.expect_exact("make it now?")
        terminal.send("n" + ENTER)
        terminal.expect_exact("Aborted!")
        ends(terminal, code=1)
        assert not owner.config.exists()
        assert "the command `new` makes one" in owner.run("start", "-n", NODE).stderr


class TestApiKey:
    def test_it_is_asked_for_and_not_shown(self, owner: Owner) -> None:
        owner.make()
        terminal = owner.terminal("set-api-key", "-n", NODE)
        terminal.expect_exact("API key:")
        terminal.sendline("hush-hush")
        terminal.expect_exact("Wrote the API key into")
        assert "hush-hush" not in terminal.before
        ends(terminal)
        assert yaml.safe_load(owner.config.read_text())["application"]["api_key"] == "hush-hush"

    def test_who_cannot_reach_the_server_from_here_is_told_before_a_password(
        self, owner: Owner
    ) -> None:
        url = "http://host.docker.internal"
        owner.run("new", "-n", NODE, "--yes", "--server-url", url)
        told = owner.run("create-private-key", "-n", NODE, "--upload").stderr
        assert "--no-upload and --organization-name" in told
        made = owner.run(
            "create-private-key", "-n", NODE, "--no-upload", "--organization-name", "north"
        )
        assert made.returncode == 0, made.stderr

    def test_it_is_read_where_nobody_can_be_asked(self, owner: Owner) -> None:
        owner.make()
        assert owner.run("set-api-key", "-n", NODE, text="from a pipe\n").returncode == 0
        assert "from a pipe" in owner.config.read_text()
        refused = owner.run("set-api-key", "-n", NODE)
        assert refused.stderr == "Error: There is no API key without a character\n"


@pytest.mark.docker
class TestRemoval:
    @pytest.fixture(autouse=True)
    def _there_is_an_engine(self) -> None:
        ensure_engine().close()

    def test_nothing_goes_without_a_yes(self, owner: Owner) -> None:
        owner.make()
        terminal = owner.terminal("remove", "-n", NODE)
        terminal.expect_exact(str(owner.config))
        terminal.expect_exact(f"Remove the node '{NODE}'?")
        terminal.send(ENTER)
        terminal.expect_exact("Aborted!")
        ends(terminal, code=1)
        assert "say --yes" in owner.run("remove", "-n", NODE).stderr
        assert owner.config.exists()

    def test_what_is_not_the_nodes_stays(self, owner: Owner) -> None:
        owner.make()
        owner.data.mkdir(parents=True)
        for name in ("journal.sqlite-wal", "pins.json", "private_key.pem", "audit.jsonl", "mine"):
            (owner.data / name).touch()
        (owner.data / "runs" / "1").mkdir(parents=True)
        done = owner.run("remove", "-n", NODE, "--yes", "--json")
        assert done.returncode == 0, done.stderr
        assert not owner.config.exists()
        left = {path.name for path in owner.data.iterdir()}
        assert left == {"private_key.pem", "audit.jsonl", "mine"}
        kept = {Path(path).name for path in json.loads(done.stdout)["kept"]}
        assert kept == left

    def test_clean_takes_what_was_left_and_no_others_volumes(self, owner: Owner) -> None:
        owner.make()
        client = ensure_engine()
        name = owner.home.name
        owner.config.rename(owner.config.with_name(f"{name}.yaml"))
        folder = owner.data / "tmp/7-abc"
        folder.mkdir(parents=True)
        (folder / "round").touch()
        own, other = f"vantage6-{name}-user-7-tmpvol", f"vantage6-x{name}-user-7-tmpvol"
        try:
            for volume in (own, other):
                client.volumes.create(volume)
            refused = owner.run("clean")
            assert refused.returncode == 1
            assert "say --yes" in refused.stderr
            done = owner.run("clean", "--yes", "--json")
            assert json.loads(done.stdout) == {"removed": [str(folder), own]}
            assert not folder.exists()
            left = {volume.name for volume in client.volumes.list()}
            assert left & {own, other} == {other}
            assert owner.run("clean").stdout == "There is nothing to delete\n"
        finally:
            for volume in client.volumes.list():
                if volume.name in (own, other):
                    volume.remove()
            client.close()


def test_without_an_engine_every_command_says_so(owner: Owner) -> None:
    owner.make()
    owner.variables["DOCKER_HOST"] = "unix:///nowhere.sock"
    for words in (["list"], ["start", "-n", NODE], ["stop", "--all"], ["remove", "-n", NODE]):
        done = owner.run(*words)
        assert done.returncode == 1
        assert done.stderr.startswith("Error: No container engine answers.")


def test_a_node_that_is_not_there_yet(owner: Owner) -> None:
    assert "make one with the command `new`" in owner.run("start").stderr
