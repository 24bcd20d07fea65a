"""What one organization tells: counts of people at times."""

from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray

from vantage6.tools.columns import find, labels, numbers
from vantage6.tools.disclosure import Disclosure
from vantage6.tools.exceptions import InputError
from vantage6.tools.microaggregation import alike

if TYPE_CHECKING:
    from pandas import DataFrame

#: Each level of the group is its table of distinct times.
Counts = dict[str, Any]
Grid = float | list[float] | None

INSTEAD = "ask with a grid of times, such as grid=30 for steps of 30"
MOST_TIMES = 10_000


def RPC_kaplan_meier_counts(  # noqa: N802
    data: "DataFrame", time: str, event: str, group: str | None = None, grid: Grid = None
) -> dict[str, Any]:
    """Count the events and the last times seen, for each group and time.

    Parameters
    ----------
    data : DataFrame
        A row for each person.
    time : str
        Column of the time until the event, or until the person was last seen; not negative.
    event : str
        Column that holds 1 (or True) where the event happened, else 0.
    group : str, optional
        Column of what the people are compared by.
    grid : float or list of float, optional
        The width of intervals that begin at 0, or their ends in order; times are rounded up to
        the end of their interval, and who is beyond the last one was last seen there. Without it
        every time is told as it is.

    Returns
    -------
    dict
        `rows` and `missing` (counts), and `groups`: one dict for each level with `level`, `times`,
        `events` and `censored` (lists of equal length).

    Raises
    ------
    DisclosureRefused
        When there are too few people, or single times are asked for and the data owner does not
        tell them.
    InputError
        When the columns do not hold what they should.
    """
    disclosure = Disclosure.at_this_site()
    if grid is None:
        disclosure.require_event_times(INSTEAD)
    check_grid(grid)
    used = usable(data, time, event, group)
    disclosure.require_rows(len(used))
    missing = len(data) - len(used)
    disclosure.require_cells([missing], "people without a value in a column that is asked for")
    groups = [
        {"level": level, **_counts(people, time, event, grid, disclosure)}
        for level, people in _levels(used, group, disclosure)
    ]
    return {"rows": len(used), "missing": missing, "groups": groups}


def check_grid(grid: Grid) -> None:
    """Raise a InputError unless times can be rounded up to this grid."""
    if grid is None:
        return
    ends = grid if isinstance(grid, list) else [grid]
    if not all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends):
        raise InputError("A grid is a number, or a list of numbers")
    steps = numpy.diff([0.0, *ends])
    if not ends or len(ends) > MOST_TIMES or not (numpy.isfinite(ends).all() and min(steps) > 0):
        raise InputError(
            f"A grid is a width above 0, or 1 to {MOST_TIMES} increasing times above 0"
        )


def usable(data: "DataFrame", time: str, event: str, group: str | None) -> "DataFrame":
    """The rows without a missing value in these columns.

    Raises
    ------
    InputError
        When a column is not there, or holds something else than it should.
    """
    columns = [time, event] if group is None else [time, event, group]
    for column in columns:
        find(data, column)
    if len(set(columns)) < len(columns):
        raise InputError("The columns of time, event and group are three different ones")
    used = data[columns].dropna()
    if (numbers(used[time]) < 0).any():
        raise InputError(f"The column {time!r} holds times below 0")
    if not numpy.isin(numbers(used[event]), [0, 1]).all():
        raise InputError(f"The column {event!r} holds something else than 0 and 1")
    return used


def _levels(
    used: "DataFrame", group: str | None, disclosure: Disclosure
) -> list[tuple[str | None, "DataFrame"]]:
    if group is None:
        return [(None, used)]
    disclosure.require_levels(used[group].nunique(), len(used), f"the column {group!r}")
    return [(str(level), people) for level, people in used.groupby(labels(used[group]))]


def _counts(
    people: "DataFrame", time: str, event: str, grid: Grid, disclosure: Disclosure
) -> dict[str, Any]:
    times, happened = numbers(people[time]).copy(), numbers(people[event]) == 1
    if grid is not None:
        disclosure.require_cells([int(happened.sum())], "people with an event in one group")
        disclosure.require_cells([int((~happened).sum())], "people without an event in one group")
        for part in (happened, ~happened):
            times[part] = typical(times[part], disclosure)
        times, happened = round_up(times, happened, grid)
    distinct, position = numpy.unique(times, return_inverse=True)
    return {
        "times": distinct.tolist(),
        "events": numpy.bincount(position[happened], minlength=len(distinct)).tolist(),
        "censored": numpy.bincount(position[~happened], minlength=len(distinct)).tolist(),
    }


def typical(times: NDArray[numpy.float64], disclosure: Disclosure) -> NDArray[numpy.float64]:
    """Give each person the mean time of the group of neighbouring times that theirs is in.

    The groups depend on the times alone, so asking again with another grid tells no more.
    """
    told = numpy.empty_like(times)
    for rows in alike(times[:, None], disclosure):
        told[rows] = times[rows].mean()
    return told


def round_up(
    times: NDArray[numpy.float64], happened: NDArray[numpy.bool_], grid: float | list[float]
) -> tuple[NDArray[numpy.float64], NDArray[numpy.bool_]]:
    """Move times to the ends of their intervals; beyond the last end there is no event."""
    if not isinstance(grid, list):
        # What is on the grid but for the last bit of a division stays there.
        return numpy.ceil(times / grid - 1e-9) * grid, happened
    ends = numpy.asarray(grid, dtype=float)
    interval = numpy.searchsorted(ends, times)
    return ends[numpy.minimum(interval, len(ends) - 1)], happened & (interval < len(ends))
