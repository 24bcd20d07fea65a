"""Files as arguments of algorithms, which are read while the input is sent."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vantage6.common.serialization import ENVELOPE, JSON, serialize
from vantage6.common.sources import Base64Of, Held, Joined, OnDisk, Source


class File:
    """A file as an argument of an algorithm, whose function gets its bytes.

    It is never held in memory here, so it may be large; it must not change until it is sent.

    Parameters
    ----------
    path : Path or str

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).expanduser()
        if not self.path.is_file():
            raise FileNotFoundError(f"There is no file {self.path}")

    def __repr__(self) -> str:
        return f"File({str(self.path)!r})"


def source_of(value: Any, data_format: str) -> Source:
    """The bytes of an input, of which files are read when they are needed.

    Parameters
    ----------
    value : object
        In `args` and `kwargs` of which there may be files.
    data_format : str

    Raises
    ------
    ValueError
        For files in another format than JSON, or an unknown format.
    TypeError
        For a value that the format cannot hold, or a file within another value.
    """
    if not isinstance(value, dict) or not any(True for _ in _files(value)):
        return Held(serialize(value, data_format))
    if data_format != JSON:
        raise ValueError("A file can be sent in an input in JSON only")
    # Nobody can guess it, so no text of the input is taken for a file.
    mark = secrets.token_hex(16)
    files: list[File] = []

    def replaced(argument: Any) -> Any:
        if not isinstance(argument, File):
            return argument
        files.append(argument)
        return {ENVELOPE: 1, "value": {"$type": "bytes", "value": mark}}

    between = serialize(_with_arguments(value, replaced), JSON).split(mark.encode())
    parts: list[Source] = [Held(between[0])]
    for file, after in zip(files, between[1:], strict=True):
        parts += [Base64Of(OnDisk(file.path)), Held(after)]
    return Joined(parts)


def _with_arguments(value: dict[str, Any], replaced: Any) -> dict[str, Any]:
    changed = dict(value)
    if isinstance(value.get("args"), list | tuple):
        changed["args"] = [replaced(argument) for argument in value["args"]]
    if isinstance(value.get("kwargs"), dict):
        changed["kwargs"] = {name: replaced(item) for name, item in value["kwargs"].items()}
    return changed


def _files(value: dict[str, Any]) -> Iterator[File]:
    args, kwargs = value.get("args"), value.get("kwargs")
    arguments = [
        *(args if isinstance(args, list | tuple) else ()),
        *(kwargs.values() if isinstance(kwargs, dict) else ()),
    ]
    yield from (argument for argument in arguments if isinstance(argument, File))
