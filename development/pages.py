"""Pages whose code is run as it is written: tutorials and those of the algorithms.

The blocks marked `python` of a page run one after another, in one namespace; those marked `bash`
run in between, each in the folder where the one before ended, with the commands of this
environment. A block marked `text` right after one is what it prints, with … for what is another
each time. A block with the name of a file after its language is that file; after `>>` it is what
the file ends with. A picture that the page shows has to be one that its code makes, under the same
name.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK = re.compile(r"^```(\w+)(?: (>> )?(\S+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ANYTHING = "…"
PICTURE = re.compile(r"!\[[^\]]*\]\(([^)]+)\)")


class PageWrong(AssertionError):
    """What a page says is not what happens."""


def run_page(page: Path, folder: Path, **namespace: Any) -> dict[str, Any]:
    """Run the code of a page and compare what it prints with what it says.

    Parameters
    ----------
    page : Path
        A markdown file.
    folder : Path
        Where the code works; its pictures go there.
    **namespace
        Names that the page takes for given.

    Returns
    -------
    dict
        All names after the last block.

    Raises
    ------
    PageWrong
        When a block prints something else, a command fails, or a picture was not made.
    """
    text = page.read_text(encoding="utf-8")
    printed = None
    with contextlib.chdir(folder), _importing_from_here():
        for language, more, file, body in BLOCK.findall(text):
            if file:
                _write(Path(file), body, append=bool(more))
            elif language == "python":
                printed = _run(body, f"<{page.name}>", namespace)
            elif language == "bash":
                printed = _command(body, page.name)
            elif language == "text" and printed is not None:
                if not _is_said(body, printed):
                    raise PageWrong(f"{page.name} says:\n{body}\nand it is:\n{printed}")
                printed = None
    for picture in PICTURE.findall(text):
        if not (folder / Path(picture).name).is_file():
            raise PageWrong(f"{page.name} shows {picture}, which its code does not make")
    return namespace


def _run(code: str, name: str, namespace: dict[str, Any]) -> str:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, name, "exec"), namespace)
    return output.getvalue()


@contextlib.contextmanager
def _importing_from_here() -> Iterator[None]:
    """Find modules in the folder where the code works, as a Python that is typed into does."""
    sys.path.insert(0, "")
    try:
        yield
    finally:
        sys.path.remove("")


def _command(lines: str, name: str) -> str:
    """Run lines in a shell and go on where they end; what they print on both outputs."""
    reading, writing = os.pipe()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    try:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{lines}\npwd >&{writing}"],
            env={**os.environ, "PATH": path, "COLUMNS": "100"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            pass_fds=[writing],
            check=False,
        )
    finally:
        os.close(writing)
    with open(reading, encoding="utf-8") as ended_in:
        place = ended_in.read().strip()
    if done.returncode:
        raise PageWrong(f"{name} has\n{lines}\nwhich fails ({done.returncode}):\n{done.stdout}")
    os.chdir(place)
    return done.stdout


def _write(path: Path, body: str, *, append: bool) -> None:
    with path.open("a" if append else "w", encoding="utf-8") as file:
        file.write(body)


def _is_said(said: str, printed: str) -> bool:
    """Whether what is printed is what a page says, where … stands for anything."""
    parts = [re.escape(part) for part in _without_ends(said).split(ANYTHING)]
    return re.fullmatch(".*".join(parts), _without_ends(printed), re.DOTALL) is not None


def _without_ends(text: str) -> str:
    """A text without spaces at the ends of its lines, which nobody sees."""
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
