"""R of Debian's packages: the peer of survival models, and what runs the R packages of ours."""

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from development import debian
from development.console import SetupError, last_line
from development.install import ROOT
from development.locks import exclusive, scratch

#: What R programs of ours need, also in containers, and `survival`, with which they are compared.
FOR_PROGRAMS = (
    "r-base-core",
    "r-cran-httr",
    "r-cran-jsonlite",
    "r-cran-openssl",
    "r-cran-r6",
    "r-cran-survival",
)
PACKAGES = (*FOR_PROGRAMS, "r-cran-testthat")
#: The package that we ship for R.
SOURCE = ROOT / "vantage6-r"
LIBRARIES = ROOT / ".cache" / "r"


def obstacle() -> str:
    """Say why R cannot be used here, or nothing; installs it where that is ours to do."""
    if _is_complete():
        return ""
    if not debian.is_ours():
        return f"R is not here; on Debian: apt-get install {' '.join(PACKAGES)}"
    debian.install(*PACKAGES)
    return ""


def run(program: str, *arguments: str | Path, packages: Sequence[Path] = ()) -> str:
    """Run an R program and return what it prints.

    Parameters
    ----------
    program : str
        Its text; it reads `arguments` with `commandArgs(trailingOnly = TRUE)`.
    packages : sequence of Path
        Folders in which it finds installed packages besides those of the machine.

    Raises
    ------
    SetupError
        With its last words, when it failed.
    """
    command = ["Rscript", "--vanilla", "-e", program, *map(str, arguments)]
    environment = {"R_LIBS": ":".join(map(str, packages)), "PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if result.returncode:
        raise SetupError(f"R failed: {last_line(result.stderr)}")
    return result.stdout


def library() -> Path:
    """A folder in which R finds our package as this checkout has it; installed once.

    Raises
    ------
    SetupError
        When it cannot be installed.
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in SOURCE.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(SOURCE)).encode() + path.read_bytes())
    folder = LIBRARIES / digest.hexdigest()[:16]
    LIBRARIES.mkdir(parents=True, exist_ok=True)
    with exclusive(LIBRARIES / "lock", "another process that installs our R package"):
        if not folder.exists():
            _install(folder)
    return folder


def _install(folder: Path) -> None:
    """Install our package, under the name of its folder only when all of it is there."""
    with scratch(LIBRARIES) as unfinished:
        command = ["R", "CMD", "INSTALL", "--no-test-load", f"--library={unfinished}", str(SOURCE)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise SetupError(f"the R package was not installed: {last_line(result.stderr)}")
        shutil.copytree(unfinished, folder.with_suffix(".part"), dirs_exist_ok=True)
    folder.with_suffix(".part").rename(folder)


def _is_complete() -> bool:
    if shutil.which("Rscript") is None:
        return False
    names = (package.removeprefix("r-cran-") for package in PACKAGES if "-cran-" in package)
    wanted = ", ".join(f'"{"R6" if name == "r6" else name}"' for name in names)
    check = f"stopifnot(all(c({wanted}) %in% rownames(installed.packages())))"
    return subprocess.run(["Rscript", "-e", check], capture_output=True).returncode == 0
