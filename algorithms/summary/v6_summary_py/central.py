"""What runs at one organization: asks the sites, and puts their answers together."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from v6_summary_py.moments import together
from v6_summary_py.quantiles import Bounds, Cells, around, finite, outermost, quantile
from v6_summary_py.site import LEVELS, NOTHING, NUMBERS
from vantage6.tools.columns import level_order
from vantage6.tools.records import of_organizations

if TYPE_CHECKING:
    from pandas import DataFrame

    from vantage6.tools.container_client import ContainerClient

#: About how many cells of a histogram a site tells in the first round; twice as many in the next.
CELLS = 256

Group = tuple[str, str | None]
Answers = dict[int, dict[str, Any]]


def summary(
    client: "ContainerClient",
    data: "DataFrame",
    columns: Sequence[str],
    *,
    group: str | None = None,
    categorical: Iterable[str] = (),
    quantiles: Sequence[float] = (0.25, 0.5, 0.75),
    organizations: list[int] | None = None,
) -> dict[str, Any]:
    """Columns over all organizations, in figures.

    Parameters
    ----------
    client : ContainerClient
        Reaches the organizations.
    data : DataFrame
        The data at the organization that runs this function; not looked at.
    columns : sequence of str
        Columns of numbers, true and false, or texts.
    group : str, optional
        A column; each of its levels is summed up by itself.
    categorical : iterable of str
        Columns whose levels are counted although they are numbers.
    quantiles : sequence of float
        Shares from 0 to 1.
    organizations : list of int, optional
        Their ids; all of the collaboration where nothing is said.

    Returns
    -------
    dict
        `rows`, and `organizations`, a record of `organization` (its id) and `rows` each. Three
        tables, as lists of records with `column` and `group` (None without groups) each:

        `numbers`
            `count`, `missing`, `mean`, `variance` (with one less than the count),
            `standard_deviation`; `at_least` and `at_most`, between which all values lie.
        `quantiles`
            `quantile`, `low` and `high`, between which the quantile of all rows together is, and
            `value`, an estimate; None where it cannot be said.
        `levels`
            `level` (None: missing) and `count`.

    Raises
    ------
    TaskFailed
        When an organization could not or would not answer; the text says which and why.
    ValueError
        When nothing sensible is asked, or a column holds numbers here and texts there.
    """
    columns, categorical = list(columns), list(categorical)
    _check(columns, group, categorical, quantiles)
    answers: Answers = client.ask(
        "summary_parts",
        organizations=organizations,
        columns=columns,
        group=group,
        categorical=categorical,
    )
    kinds = {column: _kind(column, answers) for column in columns}
    parts = _parts(answers, [column for column in columns if kinds[column] != LEVELS])
    questions = [key for key, found in parts.items() if any(part["count"] for part in found)]
    whole = {key: all(part["whole"] for part in parts[key]) for key in questions}
    cells = _refined(client, organizations, group, whole, quantiles) if questions else {}
    return {
        "rows": sum(answer["rows"] for answer in answers.values()),
        "organizations": of_organizations(answers, "rows"),
        "numbers": [
            {**_about(key), **together(found), **_range(cells.get(key), whole.get(key, False))}
            for key, found in parts.items()
        ],
        "quantiles": [
            {**_about(key), **_quantile(cells[key], share, whole[key])}
            for key in questions
            for share in quantiles
        ],
        "levels": _levels(answers, [column for column in columns if kinds[column] == LEVELS]),
    }


def _check(
    columns: Sequence[str], group: str | None, categorical: Sequence[str], shares: Sequence[float]
) -> None:
    if not columns or len(set(columns)) != len(columns):
        raise ValueError("Name the columns, each of them once")
    if group in columns:
        raise ValueError(f"The column {group!r} makes the groups, and cannot be summed up in them")
    if unknown := set(categorical) - set(columns):
        raise ValueError(f"{sorted(unknown)} are called categorical, but are not among the columns")
    if not all(isinstance(share, int | float) and 0 <= share <= 1 for share in shares):
        raise ValueError("A quantile is a number from 0 to 1")


def _kind(column: str, answers: Answers) -> str:
    """What a column is at all sites that have a value of it."""
    at = {id_: answer["kinds"][column] for id_, answer in answers.items()}
    found = {kind for kind in at.values() if kind != NOTHING}
    if len(found) > 1:
        numeric = sorted(id_ for id_, kind in at.items() if kind == NUMBERS)
        raise ValueError(
            f"The column {column!r} holds numbers at organizations {numeric} and texts at others; "
            "name it in `categorical` to count its levels"
        )
    return found.pop() if found else NUMBERS


def _parts(answers: Answers, numeric: list[str]) -> dict[Group, list[dict[str, Any]]]:
    """What the sites sent of each column of numbers and group, groups in their order."""
    found: dict[Group, list[dict[str, Any]]] = {}
    for answer in answers.values():
        for part in answer[NUMBERS]:
            if part["column"] in numeric:
                found.setdefault((part["column"], part["group"]), []).append(part)
    ordered = sorted(found, key=lambda key: (numeric.index(key[0]), level_order(key[1])))
    return {key: found[key] for key in ordered}


def _about(key: Group) -> dict[str, Any]:
    return {"column": key[0], "group": key[1]}


def _refined(
    client: "ContainerClient",
    organizations: list[int] | None,
    group: str | None,
    whole: dict[Group, bool],
    quantiles: Sequence[float],
) -> dict[Group, Cells]:
    """The cells of all sites, small where a quantile is, as small as the sites tell them."""
    # The outermost ones too: they tell between which numbers all values lie.
    shares = sorted({0.0, *quantiles, 1.0})
    known: dict[Group, Cells] = {}
    between = {key: [Bounds(-math.inf, math.inf)] for key in whole}
    most = CELLS
    while between:
        asked = [
            {**_about(key), "between": [[finite(low), finite(high)] for low, high in intervals]}
            for key, intervals in between.items()
        ]
        answers = client.ask(
            "summary_cells", organizations=organizations, questions=asked, group=group, most=most
        )
        for number, key in enumerate(between):
            known[key] = [cell for answer in answers.values() for cell in answer[number]]
        between = {
            key: found
            for key in between
            if (found := _still_open(known[key], shares, whole=whole[key]))
        }
        most *= 2
    return known


def _still_open(cells: Cells, shares: Sequence[float], *, whole: bool) -> list[Bounds]:
    """Where cells have to be small, as long as that helps.

    Also around the quantiles that are known well enough: each round tells all cells anew.
    """
    found = [around(cells, share, whole=whole) for share in shares]
    return sorted({bounds for bounds, _ in found}) if any(unsure for _, unsure in found) else []


def _range(cells: Cells | None, whole: bool) -> dict[str, float | None]:
    low, high = outermost(cells, whole=whole) if cells else (math.inf, math.inf)
    return {"at_least": finite(low), "at_most": finite(high)}


def _quantile(cells: Cells, share: float, whole: bool) -> dict[str, float | None]:
    bounds, estimate = quantile(cells, share, whole=whole)
    return {
        "quantile": share,
        "low": finite(bounds.low),
        "high": finite(bounds.high),
        "value": finite(estimate),
    }


def _levels(answers: Answers, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Each level with its count over all sites, those of one column together, missing last."""
    totals: dict[tuple[str, str | None, str | None], int] = {}
    for answer in answers.values():
        for level in answer[LEVELS]:
            key = (level["column"], level["group"], level["level"])
            totals[key] = totals.get(key, 0) + level["count"]
        for empty in answer[NUMBERS]:
            if empty["column"] in columns:
                key = (empty["column"], empty["group"], None)
                totals[key] = totals.get(key, 0) + empty["missing"]
    ordered = sorted(
        totals,
        key=lambda key: (columns.index(key[0]), level_order(key[1]), level_order(key[2])),
    )
    return [
        {"column": column, "group": label, "level": level, "count": totals[column, label, level]}
        for column, label, level in ordered
    ]
