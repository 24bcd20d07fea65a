"""Pages whose code is run as it is written: tutorials and those of the algorithms.

The blocks marked `python` of a page run one after another, in one namespace. A block marked
`text` right after one is what it prints. A picture that the page shows has to be one that its
code makes, under the same name.
"""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
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
        When a block prints something else, or a picture was not made.
    """
    text = page.read_text(encoding="utf-8")
    printed = None
    with contextlib.chdir(folder):
        for language, body in BLOCK.findall(text):
            if language == "python":
                printed = _run(body, f"<{page.name}>", namespace)
            elif language == "text" and printed is not None:
                if printed.strip() != body.strip():
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
