"""Whether an audit log is whole.

Found: a line that was changed, taken out, put in or moved, also the last ones as long as the
head noted beside the log, or one that the reader noted elsewhere, knows of them. Not found: a
chain that somebody who may write all files of the node made anew from some line on, together
with the head beside it. Against that only a head noted outside of the machine helps.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from vantage6.node.audit.chain import Head, Record, read_line, sha256
from vantage6.node.audit.files import lines, read_seal
from vantage6.node.audit.log import CUT, TORN


@dataclass
class Check:
    """What a look at a whole log found.

    Attributes
    ----------
    head : Head
        The last line.
    first : int
        Number of the first line.
    faults : list of str
        What is wrong.
    notes : list of str
        What is unusual, but has been told in the log itself.
    """

    head: Head = field(default_factory=Head)
    first: int = 0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def check_folder(folder: Path, expected: Head | None = None, *, partial: bool = False) -> Check:
    """Check the log in the data folder of a node.

    Parameters
    ----------
    folder : Path
    expected : Head, optional
        A head that was noted elsewhere; the log must have gone through it.
    partial : bool
        Whether older lines may have been moved away.
    """
    sealed = read_seal(folder)
    known = {"the head noted beside the log": sealed, "the head that you gave": expected}
    check = check_lines(lines(folder), known, partial=partial)
    if sealed is None and check.head.count:
        check.faults.append("The head noted beside the log is missing or cannot be read")
    return check


def check_lines(
    numbered: Iterable[tuple[str, bytes]],
    known: dict[str, Head | None],
    *,
    partial: bool = False,
) -> Check:
    """Check lines of a log.

    Parameters
    ----------
    numbered : iterable of (str, bytes)
        Where a line stands, and the line.
    known : dict
        Heads that the log must have gone through, by where they are from.
    partial : bool
        Whether the first lines may be missing.
    """
    check, heads = Check(), {source: head for source, head in known.items() if head}
    unread: list[bytes] = []
    for place, line in numbered:
        record = read_line(line)
        if record is None:
            unread.append(line)
            continue
        _take_unread(check, record, unread, place)
        unread = []
        _take(check, record, place, partial)
        _compare(check, record.head, heads)
    if unread:
        check.faults.append(f"Behind line {check.head.count} stands what is no line of the log")
    for source, head in heads.items():
        if head.count > check.head.count:
            check.faults.append(
                f"The last lines are missing: {source} knows line {head.count}, "
                f"and the log ends with line {check.head.count}"
            )
    return check


def _take(check: Check, record: Record, place: str, partial: bool) -> None:
    """Compare a line with the one before it."""
    last, number = check.head, record.number
    if not check.first:
        check.first = number
        if number != 1 and partial:
            last = Head(number - 1, record.previous)
    if number > last.count + 1:
        check.faults.append(f"{place}: lines {last.count + 1} to {number - 1} are missing")
    elif number <= last.count:
        check.faults.append(f"{place}: line {number} stands behind line {last.count}")
    elif record.previous != last.hash:
        check.faults.append(f"{place}: line {number} does not follow on line {last.count}")
    if not record.is_intact:
        check.faults.append(f"{place}: line {number} was changed")
    if record.event == CUT:
        check.faults.append(
            f"{place}: line {number}: the node found at {record.at} that lines were missing, or "
            f"others; it had noted {record.facts.get('sealed')}"
        )
    check.head = record.head


def _take_unread(check: Check, record: Record, unread: list[bytes], place: str) -> None:
    """What stood before a line and was none: a torn line that the log tells of, or a fault."""
    if not unread:
        return
    digest = sha256(b"".join(unread).strip(b"\n"))
    if record.event == TORN and record.facts.get("sha256") == digest:
        check.notes.append(f"{place}: a line before line {record.number} is torn, as that tells")
    else:
        check.faults.append(f"{place}: what stands before line {record.number} is no line")


def _compare(check: Check, head: Head, heads: dict[str, Head]) -> None:
    for source, known in heads.items():
        if known.count == head.count and known.hash != head.hash:
            check.faults.append(f"Line {head.count} is another one than {source} knows")
