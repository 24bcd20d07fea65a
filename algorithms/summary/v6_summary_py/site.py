"""What runs at each site, beside its rows."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from v6_summary_py.histogram import Histogram
from vantage6.tools.columns import find, is_numeric, labels, numbers
from vantage6.tools.disclosure import Disclosure
from vantage6.tools.exceptions import InputError

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray
    from pandas import DataFrame, Series

NUMBERS, LEVELS, NOTHING = "numbers", "levels", "nothing"


def RPC_summary_parts(  # noqa: N802
    data: "DataFrame",
    columns: Sequence[str],
    group: str | None = None,
    categorical: Iterable[str] = (),
) -> dict[str, Any]:
    """Counts, means and sums of squares of columns of numbers, and counts of levels of others.

    Parameters
    ----------
    data : DataFrame
    columns : sequence of str
    group : str, optional
        A column; each of its levels is summed up by itself.
    categorical : iterable of str
        Columns whose levels are counted although they are numbers.

    Returns
    -------
    dict
        `rows`; `kinds`, by column; `numbers`, a list of `column`, `group`, `count`, `missing`,
        `mean`, `rest` (what is lost when the mean is rounded), `squares` (of the differences from
        the mean) and `whole` (whether all are whole numbers); `levels`, a list of
        `column`, `group`, `level` and `count`, with the level None for missing values.

    Raises
    ------
    InputError
        When there is no such column, or its values can be neither.
    DisclosureRefused
        When something of it would tell too much of a single row.
    """
    disclosure, as_levels = Disclosure.at_this_site(), set(categorical)
    told: dict[str, Any] = {"rows": len(data), "kinds": {}, NUMBERS: [], LEVELS: []}
    groups = dict(_groups(data, group, disclosure))
    for name in columns:
        column = find(data, name)
        kind = _kind(column, name in as_levels)
        told["kinds"][name] = kind
        if kind == LEVELS:
            disclosure.require_levels(labels(column).nunique(), column.count(), repr(name))
        for label, rows in groups.items():
            part, about = column[rows], {"column": name, "group": label}
            if kind == LEVELS:
                told[LEVELS] += [{**about, **level} for level in _levels(part, disclosure)]
            else:
                told[NUMBERS].append({**about, **_moments(part, disclosure)})
    return told


def RPC_summary_cells(  # noqa: N802
    data: "DataFrame",
    questions: Sequence[dict[str, Any]],
    group: str | None = None,
    most: int = 256,
) -> list[list[dict[str, Any]]]:
    """How many values lie in which cells of a histogram.

    Parameters
    ----------
    data : DataFrame
    questions : sequence of dict
        `column`, `group` (a level, or None without groups) and `between`: intervals in which
        cells shall be small.
    group : str, optional
        The column with the levels.
    most : int
        About how many cells each answer may have.

    Returns
    -------
    list of list of dict
        For each question, `low`, `high`, `count` and `final` of each cell that is not empty.

    Raises
    ------
    InputError
        When there is no such column, or it does not hold finite numbers.
    DisclosureRefused
        When there are too few rows in it, or in a group.
    """
    disclosure = Disclosure.at_this_site()
    groups = dict(_groups(data, group, disclosure))
    answers: list[list[dict[str, Any]]] = []
    for one in questions:
        column, label = find(data, one["column"]), one["group"]
        # A group that is elsewhere only is here with no rows.
        values = numbers(column[groups[label]] if label in groups else column[:0])
        answers.append(_cells(values, one, most, disclosure))
    return answers


def _groups(
    data: "DataFrame", group: str | None, disclosure: Disclosure
) -> Iterator[tuple[str | None, Any]]:
    """The name of each group and which rows are in it; all rows, and None, without groups."""
    if group is None:
        yield None, slice(None)
        return
    found = labels(find(data, group))
    sizes = found.value_counts()
    disclosure.require_levels(len(sizes), int(sizes.sum()), repr(group))
    # Those without a group are a difference between the sums of the groups and that of all.
    disclosure.require_cells([*sizes, found.isna().sum()], f"rows in a group by {group!r}")
    for label in sorted(sizes.index):
        yield label, (found == label).to_numpy()


def _kind(column: "Series", as_levels: bool) -> str:
    if not column.notna().any():
        return NOTHING
    return NUMBERS if is_numeric(column) and not as_levels else LEVELS


def _moments(column: "Series", disclosure: Disclosure) -> dict[str, Any]:
    values = numbers(column)
    disclosure.require_moments(values, f"the column {column.name!r}")
    return {
        "count": len(values),
        "missing": len(column) - len(values),
        **_mean_and_squares(values, column.name),
        "whole": bool((values % 1 == 0).all()),
    }


def _mean_and_squares(values: "NDArray[float64]", name: Any) -> dict[str, float]:
    count = max(1, len(values))
    try:
        mean = math.fsum(values) / count
        rest = math.fsum(values - mean) / count
        squares = math.fsum(float(value) ** 2 for value in values - mean) - count * rest**2
        return {"mean": mean, "rest": rest, "squares": max(0.0, squares)}
    except OverflowError as error:
        raise InputError(f"The numbers of the column {name!r} are too large") from error


def _levels(column: "Series", disclosure: Disclosure) -> Iterator[dict[str, Any]]:
    counts = labels(column).value_counts()
    disclosure.require_cells(counts, f"rows with a level of {column.name!r}")
    for level, count in counts.sort_index().items():
        yield {"level": level, "count": int(count)}
    yield {"level": None, "count": int(column.isna().sum())}


def _cells(
    values: "NDArray[float64]", question: dict[str, Any], most: int, disclosure: Disclosure
) -> list[dict[str, Any]]:
    if not len(values):
        return []
    least = max(disclosure.thresholds.minimum_cell, disclosure.thresholds.minimum_rows)
    disclosure.require_rows(len(values), f"the column {question['column']!r}")
    disclosure.require_cells([len(values)], f"values of the column {question['column']!r}")
    return Histogram(values, least).cells(question["between"], most)
