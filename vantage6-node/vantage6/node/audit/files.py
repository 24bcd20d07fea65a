"""Where the lines of the audit log are: the current file, and older ones beside it."""

from collections.abc import Iterator
from pathlib import Path

from vantage6.node.audit.chain import Head, Record, read_line

CURRENT = "audit.jsonl"
SEAL = "audit.head"
_ARCHIVES = "audit-*.jsonl"


def files(folder: Path) -> list[Path]:
    """All files of the log in their order, the current one last."""
    current = folder / CURRENT
    return [*sorted(folder.glob(_ARCHIVES)), *([current] if current.exists() else [])]


def archive(folder: Path, first: int) -> Path:
    """Where the file that begins with this line is put aside."""
    return folder / f"audit-{first:012d}.jsonl"


def lines(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All lines with the names of their files."""
    for path in files(folder):
        with path.open("rb") as file:
            for line in file:
                yield path.name, line


def read_seal(folder: Path) -> Head | None:
    """The head as it was noted beside the log; None when there is none that can be read."""
    try:
        return Head.parse((folder / SEAL).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def last_record(content: bytes) -> tuple[Record | None, bytes]:
    """The last whole line, and what stands behind it, without the line ends around it."""
    end = len(content)
    while end > 0:
        start = content.rfind(b"\n", 0, end - 1) + 1
        record = read_line(content[start:end])
        if record and record.is_intact:
            return record, content[end:].strip(b"\n")
        end = start
    return None, content.strip(b"\n")
