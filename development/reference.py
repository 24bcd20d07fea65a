"""Write the pages of `docs/reference` that are made from the code; a test keeps them current."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from development.console import main
from vantage6.common.task_status import LEGAL_MOVES, TaskStatus, is_final
from vantage6.server.permission.catalogue import ADMISSION, RULES, Admitted, Kind, RuleRecord
from vantage6.server.permission.role import DEFAULT_ROLES

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"


def pages() -> dict[str, str]:
    """The generated pages by the names of their files."""
    return {"permissions.md": _permissions(), "run-states.md": _run_states()}


def write() -> None:
    """Write all generated pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def _permissions() -> str:
    rules = [_rule_row(number, record) for number, record in enumerate(RULES, start=1)]
    admission = [
        [f"{method} `{route}`", *(_mark(kind in admitted) for kind in Kind), _anonymous(admitted)]
        for route, methods in ADMISSION.items()
        for method, admitted in methods.items()
    ]
    return _page(
        "Permissions",
        "A rule is a resource, a scope and an operation; a role is a set of rules. A user may do "
        "what the rules of all their roles, and those given to them directly, allow.",
        "## Rules and default roles",
        _table(["#", "resource", "scope", "operation", "allows", *_role_names()], rules),
        "## Who is admitted to which route",
        "The rules then decide what those who are admitted may see and do there.",
        _table(["route", *(kind.value for kind in Kind), "without log-in"], admission),
    )


def _rule_row(number: int, record: RuleRecord) -> list[str]:
    words = [record.name, record.scope.name, record.operation.name, record.description]
    return [str(number), *words, *(_mark(record in role.rules) for role in DEFAULT_ROLES)]


def _role_names() -> list[str]:
    return [role.name for role in DEFAULT_ROLES]


def _anonymous(admitted: Admitted) -> str:
    return _mark(not admitted)


def _run_states() -> str:
    rows = [
        [str(old), *(_mark((old, new) in LEGAL_MOVES) for new in TaskStatus)]
        for old in TaskStatus
        if not is_final(old)
    ]
    return _page(
        "Run states",
        "The moves a run may make, from the state in front to the one above. What is not in the "
        "first column is final. A task is pending, initializing or active as long as one of its "
        "runs is not final; then it has the state of its first failed run, or is completed.",
        _table(["", *(str(status) for status in TaskStatus)], rows),
    )


def _page(title: str, *parts: str) -> str:
    note = "<!-- Written by `python -m development.reference`; change the code instead. -->"
    return "\n\n".join([f"# {title}", note, *parts]) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _mark(yes: bool) -> str:
    return "x" if yes else ""


if __name__ == "__main__":
    main(write)
