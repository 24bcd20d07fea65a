"""What runs at one organization: asks the sites, adds up their tables, and tests the sum."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from v6_crosstab_py.association import Counts, common, expected, tests
from vantage6.tools.columns import level_order
from vantage6.tools.records import of_organizations

if TYPE_CHECKING:
    from pandas import DataFrame

    from vantage6.tools.container_client import ContainerClient

Answers = dict[int, dict[str, Any]]
Totals = dict[tuple[str, str, str | None], int]


def crosstab(
    client: "ContainerClient",
    data: "DataFrame",
    rows: str,
    columns: str,
    *,
    strata: str | None = None,
    organizations: list[int] | None = None,
) -> dict[str, Any]:
    """How many people have which levels of two categories, and whether these are related.

    Parameters
    ----------
    client : ContainerClient
        Reaches the organizations.
    data : DataFrame
        The data at the organization that runs this function; not looked at.
    rows, columns : str
        Columns with categories, of texts, numbers, or true and false.
    strata : str, optional
        A third one; within each of its levels there is a table.
    organizations : list of int, optional
        Their ids; all of the collaboration where nothing is said.

    Returns
    -------
    dict
        `rows`, `missing` (rows that lack a value, and are left out) and `organizations`, a
        record of `organization` (its id), `rows`, `missing` each;
        `table`, a list of `stratum`, `row`, `column`, `count` and `expected`; `tests`, a list of
        figures, by `stratum`; with strata, `common`: the test over all of them, or None where
        the tables are not two by two.

    Raises
    ------
    TaskFailed
        When an organization could not or would not answer; the text says which and why.
    ValueError
        When the columns are not different ones, or nobody has both.
    """
    if len({rows, columns, strata}) < 3:
        raise ValueError("The rows, the columns and the strata have to be different columns")
    answers: Answers = client.ask(
        "crosstab_counts", organizations=organizations, rows=rows, columns=columns, strata=strata
    )
    totals = _totals(answers)
    if not totals:
        raise ValueError(f"No organization has rows with both {rows!r} and {columns!r}")
    levels = [in_order(row for row, *_ in totals), in_order(column for _, column, _ in totals)]
    strata_levels: list[str | None] = [
        *in_order(stratum for *_, stratum in totals if stratum is not None)
    ]
    tables = {stratum: _table(totals, levels, stratum) for stratum in strata_levels or [None]}
    return {
        "rows": sum(answer["rows"] for answer in answers.values()),
        "missing": sum(answer["missing"] for answer in answers.values()),
        "organizations": of_organizations(answers, "rows", "missing"),
        "table": [
            cell for stratum, table in tables.items() for cell in _cells(table, levels, stratum)
        ],
        "tests": [{"stratum": stratum, **tests(table)} for stratum, table in tables.items()],
        "common": common(list(tables.values())) if strata else None,
    }


def in_order(levels: Iterable[str]) -> list[str]:
    """Each level once."""
    return sorted(set(levels), key=level_order)


def _totals(answers: Answers) -> Totals:
    """The counts of all sites; a level that a site lacks is one that nobody there has."""
    totals: Totals = {}
    for answer in answers.values():
        for cell in answer["counts"]:
            key = (cell["row"], cell["column"], cell["stratum"])
            totals[key] = totals.get(key, 0) + cell["count"]
    return totals


def _table(totals: Totals, levels: list[list[str]], stratum: str | None) -> Counts:
    import numpy

    rows, columns = levels
    return numpy.array(
        [[totals.get((row, column, stratum), 0) for column in columns] for row in rows],
        dtype=numpy.int64,
    )


def _cells(table: Counts, levels: list[list[str]], stratum: str | None) -> list[dict[str, Any]]:
    rows, columns = levels
    under = expected(table)
    return [
        {
            "stratum": stratum,
            "row": row,
            "column": column,
            "count": int(table[i, j]),
            "expected": float(under[i, j]),
        }
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
    ]
