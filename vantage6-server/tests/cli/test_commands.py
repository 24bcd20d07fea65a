"""The commands: options in, text or JSON out, one sentence when something is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from served import run as run_process
from served import write_config, write_import

from vantage6.common import __version__
from vantage6.server.cli import main


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_DIRS"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.delenv("VANTAGE6_DB_URI", raising=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def run_json(*arguments: object) -> Any:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_version() -> None:
    assert run("version").stdout == f"{__version__}\n"
    assert run_json("version") == {"server": __version__}


class TestFiles:
    def test_it_shows_where_things_are(self, config: Path, tmp_path: Path) -> None:
        assert run_json("files", "--config", config) == {
            "configuration": str(config),
            "log": str(tmp_path / "log" / "server.log"),
            "data": str(tmp_path / "data"),
            "database": f"sqlite:///{tmp_path}/data/server.sqlite",
        }
        assert str(tmp_path / "log" / "server.log") in run("files", "--config", config).stdout

    def test_the_environment_variable_goes_first(
        self, config: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("VANTAGE6_DB_URI", "postgresql://user:hush@db.example/v6")
        shown = run_json("files", "--config", config)["database"]
        assert shown == "postgresql+psycopg://user:***@db.example/v6"

    def test_by_name_and_environment(self, tmp_path: Path) -> None:
        folder = tmp_path / "XDG_CONFIG_HOME" / "vantage6" / "server"
        folder.mkdir(parents=True)
        path = write_config(folder, "dev")
        shown = run_json("files", "--user", "--name", "hospital", "--environment", "dev")
        assert shown["configuration"] == str(path)


class TestList:
    def test_it_lists_both_scopes_and_what_cannot_be_read(self, tmp_path: Path) -> None:
        for variable in ("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"):
            folder = tmp_path / variable / "vantage6" / "server"
            folder.mkdir(parents=True)
            write_config(folder, "acc")
        (folder / "broken.yaml").write_text("[")
        listed = {(one["name"], one["scope"]): one for one in run_json("list")}
        assert listed["hospital", "user"]["environments"] == ["acc"]
        assert listed["hospital", "system"]["environments"] == ["acc"]
        assert "not valid YAML" in listed["broken", "system"]["fault"]
        text = run("list").stdout
        assert "Number of failed imports: 1" in text
        assert "broken.yaml is not valid YAML" in text


class TestImport:
    def test_it_says_what_it_did(self, config: Path, tmp_path: Path) -> None:
        done = run("import", "--config", config, write_import(tmp_path))
        assert done.exit_code == 0
        assert done.stdout == (
            "Imported 1 organizations, 1 users, 1 collaborations, 1 nodes, 1 tasks\n"
        )

    def test_the_one_time_password_does_not_spoil_the_json(self, tmp_path: Path) -> None:
        config = write_config(tmp_path, type="prod")
        done = run("import", "--config", config, write_import(tmp_path), "--json")
        assert json.loads(done.stdout)["organizations"] == 1
        assert "Its password is shown only now: " in done.stderr

    def test_twice_is_refused_with_the_entry(self, config: Path, tmp_path: Path) -> None:
        path = write_import(tmp_path)
        assert run("import", "--config", config, path).exit_code == 0
        again = run("import", "--config", config, path)
        assert again.exit_code == 1
        assert again.stderr == (
            f"Error: {path}: nothing was imported: organization 'Alpha': another organization "
            "has that name\n"
        )

    def test_dropping_all_makes_room(self, config: Path, tmp_path: Path) -> None:
        path = write_import(tmp_path)
        assert run("import", "--config", config, path).exit_code == 0
        assert run("import", "--config", config, path, "--drop-all").exit_code == 0

    def test_dropping_all_must_be_allowed(self, tmp_path: Path) -> None:
        config = write_config(tmp_path, allow_drop_all="False")
        done = run("import", "--config", config, write_import(tmp_path), "--drop-all")
        assert done.exit_code == 1
        assert "allow_drop_all is false" in done.stderr

    def test_a_failed_import_drops_nothing(self, config: Path, tmp_path: Path) -> None:
        path = write_import(tmp_path)
        run("import", "--config", config, path)
        bad = write_import(tmp_path, organizations=[])
        assert run("import", "--config", config, bad, "--drop-all").exit_code == 1
        path = write_import(tmp_path)
        assert "another organization" in run("import", "--config", config, path).stderr


class TestMigrate:
    def test_check_changes_nothing(self, config: Path) -> None:
        for _ in range(2):
            done = run("migrate", "--config", config, "--check")
            assert done.exit_code == 1
            assert done.stdout.startswith("To be applied: 0001")

    def test_it_applies_what_is_to_be_applied(self, config: Path) -> None:
        assert run_json("migrate", "--config", config)["applied"][0] == "0001"
        assert run_json("migrate", "--config", config) == {"applied": []}
        assert run_json("migrate", "--config", config, "--check") == {"pending": []}
        assert run("migrate", "--config", config).stdout == (
            "The database is at the newest revision\n"
        )


class TestNew:
    def test_options_stand_for_the_answers(self, tmp_path: Path) -> None:
        done = run("new", "--user", "--name", "my server", "--port", "7601", "--no-allow-drop-all")
        assert done.exit_code == 0
        path = tmp_path / "XDG_CONFIG_HOME" / "vantage6" / "server" / "my-server.yaml"
        assert done.stdout.splitlines() == [
            f"Wrote {path}",
            "Start it: vserver-local start --name my-server -e prod --user",
        ]
        assert "port: 7601" in path.read_text()

    def test_a_name_is_needed(self) -> None:
        done = run("new", "--user")
        assert done.exit_code == 1
        assert done.stderr == ("Error: Say how the configuration is to be called: --name NAME\n")

    def test_every_question_has_an_option(self) -> None:
        from vantage6.server.wizard import QUESTIONS

        text = run("new", "--help").stdout
        assert all(f"--{question.key.replace('_', '-')}" in text for question in QUESTIONS)


class TestBadConfigurations:
    @pytest.mark.parametrize("command", ["start", "files", "migrate"])
    def test_they_end_in_one_sentence(self, tmp_path: Path, command: str) -> None:
        config = write_config(tmp_path, port="http")
        done = run(command, "--config", config)
        assert done.exit_code == 1
        assert done.stderr == (f"Error: {config}, environment 'prod': port: Not a valid integer\n")

    def test_one_that_is_not_there(self, tmp_path: Path) -> None:
        done = run("start", "--config", tmp_path / "none.yaml")
        assert done.exit_code == 1
        assert done.stderr.startswith("Error: ")
        assert "none.yaml" in done.stderr

    def test_an_environment_that_is_not_there(self, config: Path) -> None:
        done = run("start", "--config", config, "--environment", "dev")
        assert done.exit_code == 1
        assert f"{config} has no environment 'dev'" in done.stderr

    @pytest.mark.parametrize(
        ("uri", "reason"),
        [
            ("sqlite://", "must name a file"),
            ("oracle+nothing://host/db", "There is no driver for oracle databases here"),
        ],
    )
    def test_databases_that_cannot_be(self, tmp_path: Path, uri: str, reason: str) -> None:
        done = run("migrate", "--config", write_config(tmp_path, uri=uri))
        assert done.exit_code == 1
        assert reason in done.stderr

    @pytest.mark.parametrize(
        ("which", "sentence"),
        [
            ("log", "The log file {path}/server.log cannot be written: File exists"),
            ("data", "The secret {path}/jwt_secret cannot be read or written: File exists"),
        ],
    )
    def test_folders_that_cannot_be_made(self, tmp_path: Path, which: str, sentence: str) -> None:
        path = tmp_path / "file"
        path.write_text("")
        folders = {"log": str(tmp_path / "log"), "data": str(tmp_path / "data"), which: str(path)}
        # In a process of its own, since it sets up logging.
        done = run_process("start", "--config", write_config(tmp_path, directories=folders))
        assert done.returncode == 1
        assert done.stderr == f"Error: {sentence.format(path=path)}\n"

    def test_a_ready_file_without_a_folder(self, config: Path, tmp_path: Path) -> None:
        done = run_process("start", "--config", config, "--ready-file", tmp_path / "no" / "url")
        assert done.returncode == 1
        assert done.stderr == f"Error: There is no folder {tmp_path / 'no'}\n"

    def test_none_at_all(self) -> None:
        done = run("files", "--user")
        assert done.exit_code == 1
        assert "no server configuration yet" in done.stderr
