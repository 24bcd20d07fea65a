"""When the environment is made, made anew, or left alone; making it is what `make install` does."""

import pytest

from development import install
from development.console import SetupError


@pytest.fixture
def made(tmp_path, monkeypatch):
    """An environment in an empty folder; returns the list of the times it was made."""
    times = []
    environment = tmp_path / ".venv"
    paths = {"PYTHON": "python", "STAMP": "made-from", "UNFINISHED": "unfinished"}
    for name, path in paths.items():
        monkeypatch.setattr(install, name, environment / path)
    monkeypatch.setattr(install, "ROOT", tmp_path)
    monkeypatch.setattr(install, "LOCK_FILE", tmp_path / "requirements.lock")
    install.LOCK_FILE.write_text("a==1\n")

    def make(lock):
        environment.mkdir(exist_ok=True)
        install.UNFINISHED.touch()
        install.PYTHON.touch()
        times.append(install.LOCK_FILE.read_text())

    monkeypatch.setattr(install, "_make", make)
    return times


def test_nothing_is_done_twice(made):
    install.install()
    install.install()
    assert made == ["a==1\n"]


def test_a_new_lock_file_is_followed(made):
    install.install()
    install.LOCK_FILE.write_text("a==2\n")
    install.install()
    assert made == ["a==1\n", "a==2\n"]


def test_new_setup_files_are_followed(made, tmp_path):
    install.install()
    for number, file in enumerate(["vantage6-x/setup.py", "algorithms/y/pyproject.toml"]):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).touch()
        install.install()
        assert len(made) == number + 2


def test_one_that_was_left_half_made_is_made_again(made):
    install.install()
    install.UNFINISHED.touch()
    install.install()
    assert len(made) == 2
    assert not install.UNFINISHED.exists()


def test_one_that_is_gone_is_made_again(made):
    install.install()
    install.PYTHON.unlink()
    install.install()
    assert len(made) == 2


def test_a_python_that_is_too_old(made, monkeypatch):
    monkeypatch.setattr("sys.version_info", (3, 10, 0))
    with pytest.raises(SetupError, match=r"Python 3\.11 or newer is needed"):
        install.install()
    assert made == []
