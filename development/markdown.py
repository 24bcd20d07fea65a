"""Pages and tables in Markdown."""

from collections.abc import Iterable, Sequence


def page(title: str, *parts: str) -> str:
    """A generated page."""
    note = "<!-- Written by `python -m development.reference`; change the code instead. -->"
    return "\n\n".join([f"# {title}", note, *parts]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def mark(yes: bool) -> str:
    """A cell that says yes or no."""
    return "x" if yes else ""
