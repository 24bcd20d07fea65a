"""What a doctor says: how something is, and what mends it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How something is."""

    WELL = "well"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    subject : str
        What was looked at, in a word or two.
    verdict : Verdict
        Only what is wrong keeps tasks from running.
    text : str
        What was found.
    remedy : str
        What mends it; "" when there is nothing to mend.
    """

    subject: str
    verdict: Verdict
    text: str
    remedy: str = ""


Findings = Iterator[Finding]


def well(subject: str, text: str) -> Finding:
    """All is as it should be."""
    return Finding(subject, Verdict.WELL, text)


def note(subject: str, text: str, remedy: str = "") -> Finding:
    """The owner should know, and may want it so."""
    return Finding(subject, Verdict.NOTE, text, remedy)


def wrong(subject: str, text: str, remedy: str) -> Finding:
    """Tasks will not run as long as this is so."""
    return Finding(subject, Verdict.WRONG, text, remedy)
