"""Make ``.venv`` at the root: the five packages, the algorithms, their commands, all tools.

Runs with the system's Python and its standard library. A stamp in the environment says what it
was made from, so that a second call has nothing to do; a marker says that it is being changed, so
that one left half made by a killed call is made anew.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from development import debian
from development.console import SetupError, main, run, step
from development.locks import exclusive

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
STAMP = ENVIRONMENT / "made-from"
UNFINISHED = ENVIRONMENT / "unfinished"
LOCK_FILE = ROOT / "requirements.lock"
OLDEST_PYTHON = (3, 11)


def install() -> None:
    """Bring ``.venv`` in line with the lock file and the packages' setup files."""
    if sys.version_info < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        raise SetupError(
            f"Python {oldest} or newer is needed and this is {sys.version.split()[0]};"
            " name another one with: make install PYTHON=/path/to/python3"
        )
    wanted = fingerprint()
    if _is_made_from(wanted):
        return
    with exclusive(ROOT / ".cache" / "install.lock", "another installation in this folder") as lock:
        if not _is_made_from(wanted):
            _make(lock)
            STAMP.write_text(wanted)
            UNFINISHED.unlink()


def projects() -> list[Path]:
    """Return the folders of the packages that are installed from this checkout."""
    patterns = ("vantage6-*/setup.py", "algorithms/*/setup.py", "algorithms/*/pyproject.toml")
    return sorted({path.parent for pattern in patterns for path in ROOT.glob(pattern)})


def fingerprint() -> str:
    """Return a digest of all that decides what the environment holds."""
    digest = hashlib.sha256(f"{ROOT} {sys.version}".encode())
    names = ("setup.py", "setup.cfg", "pyproject.toml")
    files = [project / name for project in projects() for name in names]
    for path in [LOCK_FILE, ROOT / "VERSION", Path(__file__), *files]:
        if path.exists():
            digest.update(str(path).encode() + path.read_bytes())
    return digest.hexdigest()


def _is_made_from(wanted: str) -> bool:
    if UNFINISHED.exists() or not PYTHON.exists() or not STAMP.exists():
        return False
    return STAMP.read_text() == wanted


def _make(lock: int) -> None:
    if UNFINISHED.exists() or not _python_works():
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    ENVIRONMENT.mkdir(exist_ok=True)
    UNFINISHED.touch()
    if not PYTHON.exists():
        _make_environment(lock)
    pip: list[str | Path] = [
        PYTHON,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--disable-pip-version-check",
    ]
    with step("Installing the locked versions of all libraries"):
        # bytecode is compiled on all cores, which pip does not do
        run(
            [*pip, "--no-compile", "-r", LOCK_FILE],
            "pip could not install the libraries",
            hold=lock,
        )
        _compile(*ENVIRONMENT.glob("lib/python*/site-packages"))
    with step("Installing the packages of this checkout"):
        editable = [part for project in projects() for part in ("-e", project)]
        # "compat" writes plain folder names, which the namespace they share and type checkers need
        options: list[str | Path] = [
            "--no-build-isolation",
            "--config-settings",
            "editable_mode=compat",
        ]
        failure = "pip could not install the packages of this checkout"
        run([*pip, *options, *editable], failure, hold=lock)
        _compile(*projects())


def _python_works() -> bool:
    """Tell whether the environment still has the Python (and the place) it was made with."""
    if not PYTHON.exists():
        return False
    program = "import sys; print(sys.prefix, sys.version)"
    result = subprocess.run([PYTHON, "-c", program], capture_output=True, text=True, check=False)
    return result.stdout.strip() == f"{ENVIRONMENT} {sys.version}"


def _make_environment(lock: int) -> None:
    # not the link that a virtual environment in use (perhaps the one being replaced) has to it
    python = Path(sys.executable).resolve()
    if subprocess.run([python, "-c", "import ensurepip"], capture_output=True).returncode:
        if not debian.is_ours():
            raise SetupError(
                "this Python cannot make virtual environments; install its venv module"
                " (on Debian and Ubuntu: sudo apt-get install python3-venv)"
            )
        debian.install("python3-venv")
    with step("Making the virtual environment .venv"):
        failure = "the virtual environment was not made"
        run([python, "-m", "venv", ENVIRONMENT], failure, hold=lock)


def _compile(*folders: Path) -> None:
    """Compile to bytecode: an environment that forbids writing it would compile at each start."""
    command: list[str | Path] = [
        PYTHON,
        "-m",
        "compileall",
        "-q",
        "-j",
        str(os.cpu_count() or 1),
        *folders,
    ]
    # libraries ship files for other Pythons, so a file that does not compile is no failure
    subprocess.run(command, capture_output=True, check=False)


if __name__ == "__main__":
    main(install)
