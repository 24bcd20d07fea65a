"""When the environment of a classic part is made, made anew, or left alone."""

import pytest
from packaging.requirements import Requirement

from development import classic
from development.console import SetupError

PARTS = (*classic.CLIENTS, classic.NODE, classic.SERVER)
NAME = "client-3.5.2"


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Environments in an empty folder; returns the names of those that were made."""
    names = []
    pins = tmp_path / "pins"
    pins.mkdir()
    for name in PARTS:
        (pins / f"{name}.txt").write_text("a==1\n")
    monkeypatch.setattr(classic, "PINS", pins)
    monkeypatch.setattr(classic, "FOLDER", tmp_path / "classic")

    def make(name, home, lock):
        home.mkdir(exist_ok=True)
        (home / "made-from").unlink(missing_ok=True)
        names.append(name)

    monkeypatch.setattr(classic, "_make", make)
    return names


def test_nothing_is_made_twice(made, tmp_path):
    first = classic.environment(NAME)
    assert classic.environment(NAME) == first == tmp_path / "classic" / NAME / "bin" / "python"
    assert made == [NAME]


def test_several_are_made_each_in_a_folder_of_its_own(made):
    pythons = classic.environments(classic.CLIENTS)
    assert sorted(made) == sorted(classic.CLIENTS)
    assert [python.parents[1].name for python in pythons] == list(classic.CLIENTS)


def test_new_pins_are_followed(made):
    classic.environment(NAME)
    (classic.PINS / f"{NAME}.txt").write_text("a==2\n")
    classic.environment(NAME)
    assert made == [NAME, NAME]


def test_one_that_was_left_half_made_is_made_again(made, monkeypatch):
    def fail(name, home, lock):
        home.mkdir()
        raise SetupError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(classic, "_make", fail)
        with pytest.raises(SetupError):
            classic.environment(NAME)
    classic.environment(NAME)
    assert made == [NAME]


def test_a_python_that_the_pins_do_not_install_on(made, monkeypatch):
    monkeypatch.setattr("sysconfig.get_python_version", lambda: "3.14")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(SetupError, match=r"Python 3\.11"):
        classic.environment(NAME)


@pytest.mark.parametrize("name", PARTS)
def test_everything_in_an_environment_is_pinned(name):
    lines = (classic.PINS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    assert {specifier.operator for pin in pins for specifier in pin.specifier} == {"=="}
    package, _, version = name.partition("-")
    assert str(next(pin for pin in pins if pin.name == f"vantage6-{package}")) == (
        f"vantage6-{package}=={version}"
    )
