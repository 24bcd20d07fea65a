"""What runs at each site, beside its rows."""

from typing import TYPE_CHECKING, Any

from vantage6.tools.columns import find, labels
from vantage6.tools.disclosure import Disclosure

if TYPE_CHECKING:
    from pandas import DataFrame


def RPC_crosstab_counts(  # noqa: N802
    data: "DataFrame", rows: str, columns: str, strata: str | None = None
) -> dict[str, Any]:
    """How many people have which levels of two categories, perhaps within those of a third.

    Parameters
    ----------
    data : DataFrame
    rows, columns, strata : str
        Columns; their values are counted as texts, whole numbers without a point.

    Returns
    -------
    dict
        `rows` of the table; `missing`: how many of them lack one of the values; `counts`, a list of
        `row`, `column`, `stratum` (None without strata) and `count`, without the zeros.

    Raises
    ------
    InputError
        When there is no such column.
    DisclosureRefused
        When one of the counts is small, or there are so many levels that they may be names.
    """
    import pandas

    disclosure = Disclosure.at_this_site()
    names = [rows, columns, *([strata] if strata else [])]
    frame = pandas.concat([labels(find(data, name)) for name in names], axis=1, keys=names)
    complete = frame.dropna()
    if len(complete):
        disclosure.require_rows(len(complete))
    for name in names:
        disclosure.require_levels(complete[name].nunique(), len(complete), repr(name))
    what = "people by " + " and ".join(map(repr, names))
    # Those left out are a difference between this table and the one of fewer columns.
    disclosure.require_cells([len(frame) - len(complete)], f"{what} that lack a value")
    counts = complete.groupby(names, sort=True).size()
    disclosure.require_cells(counts, what)
    return {
        "rows": len(frame),
        "missing": len(frame) - len(complete),
        "counts": [
            {
                "row": row,
                "column": column,
                "stratum": stratum[0] if stratum else None,
                "count": int(count),
            }
            for (row, column, *stratum), count in zip(counts.index, counts, strict=True)
        ],
    }
