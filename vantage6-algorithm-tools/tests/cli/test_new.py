"""`v6-algorithm new`: what it writes works as it is, and nothing is written over."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from vantage6.tools.cli.scaffold import ScaffoldError, names_of, write

FILES = {
    ".dockerignore",
    ".gitignore",
    "Dockerfile",
    "README.md",
    "data/east.csv",
    "data/north.csv",
    "data/south.csv",
    "pyproject.toml",
    "tests/test_pressure.py",
    "v6_pressure_py/__init__.py",
}


def python(folder, *command):
    """Run a module of this environment in a folder."""
    result = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_package_is_complete(new):
    assert files(new) == FILES


def test_no_mark_of_the_template_is_left(new):
    assert [path for path in FILES if re.search(r"@\w+@", (new / path).read_text())] == []


def test_it_passes_the_linter(new):
    python(new, "ruff", "check", "--no-cache", ".")
    python(new, "ruff", "format", "--no-cache", "--check", ".")


def test_a_wheel_can_be_built_of_it(new, tmp_path):
    python(new, "build", "--no-isolation", "--wheel", "--outdir", str(tmp_path / "dist"))
    assert [path.name for path in (tmp_path / "dist").iterdir()] == [
        "v6_pressure_py-0.1.0-py3-none-any.whl"
    ]


@pytest.mark.parametrize("name", ["pressure", "v6-pressure-py", "v6-pressure", "pressure-py"])
def test_all_spellings_of_a_name_are_one(name):
    assert names_of(name) == ("pressure", "v6-pressure-py", "v6_pressure_py")


def test_dashes_become_underscores_where_python_wants_them():
    assert names_of("a-b2-c").package == "v6_a_b2_c_py"


@pytest.mark.parametrize(
    "name", ["", "Blood", "1x", "a b", "x--y", "-x", "x-", "../evil", "é", "a_b", "a" * 40, "a/b"]
)
def test_what_cannot_be_a_name_is_refused(name):
    with pytest.raises(ScaffoldError, match="cannot be the name of an algorithm"):
        names_of(name)


@pytest.mark.parametrize("there", ["file", "folder"])
def test_nothing_is_written_over(tmp_path, there):
    folder = tmp_path / "mine"
    if there == "file":
        folder.write_text("precious")
    else:
        folder.mkdir()
        (folder / "README.md").write_text("precious")
    with pytest.raises(ScaffoldError, match="is there already"):
        write(names_of("pressure"), folder)
    kept = folder if there == "file" else folder / "README.md"
    assert kept.read_text() == "precious"


def test_an_empty_folder_may_be_filled(tmp_path):
    assert files(write(names_of("pressure"), tmp_path)) == FILES


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ScaffoldError, match="cannot be written"):
        write(names_of("pressure"), tmp_path / "file" / "below")


def test_the_description_stands_where_it_belongs(tmp_path):
    sentence = "Mittelwert ohne 'Ausreißer' {x} $y ${z}."
    folder = write(names_of("pressure"), tmp_path, sentence)
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["description"] == sentence
    module = (folder / "v6_pressure_py" / "__init__.py").read_text()
    assert module.startswith(f'"""{sentence}\n')
    assert sentence in (folder / "README.md").read_text()


@pytest.mark.parametrize("sentence", ['"""', "a\\", "two\nlines", " ", "@package@", "x" * 201])
def test_a_description_that_would_break_the_files_is_refused(tmp_path, sentence):
    with pytest.raises(ScaffoldError, match="description has to be one line"):
        write(names_of("pressure"), tmp_path / "new", sentence)
    assert not (tmp_path / "new").exists()


def test_the_image_gets_neither_data_nor_tests(new):
    ignored = (new / ".dockerignore").read_text().split()
    assert {"data", "tests", ".git"} <= set(ignored)


def test_the_command_says_what_to_do_next(v6_algorithm, tmp_path):
    done = v6_algorithm("new", "blood-pressure", "--description", "A mean.")
    assert done.returncode == 0
    assert done.stdout.endswith("Try it: v6-algorithm test v6-blood-pressure-py\n")
    assert (tmp_path / "v6-blood-pressure-py" / "Dockerfile").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        ([], 2, "Missing argument 'NAME'"),
        (["Blood"], 1, "Error: 'Blood' cannot be the name"),
        (["temporary", "--folder", "temporary/../temporary"], 0, ""),
    ],
)
def test_the_command_asks_nothing_where_nobody_can_answer(v6_algorithm, arguments, code, reason):
    done = v6_algorithm("new", *arguments)
    assert (done.returncode, reason in done.stderr) == (code, True)


def test_missing_libraries_are_told_in_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(SystemExit, match=r"psutil is missing; .*\[developer\]"):
        __import__("vantage6.tools.cli", fromlist=["main"]).main()


def test_every_file_of_the_template_is_shipped(tmp_path):
    tools = Path(__file__).resolve().parents[2]
    unwanted = shutil.ignore_patterns("build", "tests", "*.egg-info", "__pycache__")
    copy = shutil.copytree(tools, tmp_path / "tools", ignore=unwanted)
    python(copy, "build", "--no-isolation", "--wheel", "--outdir", str(tmp_path / "dist"))
    (wheel,) = (tmp_path / "dist").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        shipped = [name for name in archive.namelist() if "/cli/template/" in name]
    assert len(shipped) == len(FILES)
