"""Ask all organizations for their counts, and draw the curves from the sums."""

from typing import TYPE_CHECKING, Any

from v6_kaplan_meier_py.curves import Curve, Life, log_rank
from v6_kaplan_meier_py.site import Grid, check_grid
from vantage6.tools.columns import level_order
from vantage6.tools.exceptions import InputError
from vantage6.tools.inference import check_confidence
from vantage6.tools.records import of_organizations

if TYPE_CHECKING:
    from pandas import DataFrame

    from vantage6.tools.container_client import ContainerClient


def kaplan_meier(
    client: "ContainerClient",
    data: "DataFrame",
    time: str,
    event: str,
    group: str | None = None,
    grid: Grid = None,
    *,
    confidence: float = 0.95,
    restriction: float | None = None,
    organizations: list[int] | None = None,
) -> dict[str, Any]:
    """Survival curves of all organizations together, and the log-rank test between groups.

    Parameters
    ----------
    client : ContainerClient
        Reaches the organizations.
    data : DataFrame
        The data at the organization that runs this function; not looked at.
    time : str
        Column of the time until the event, or until the person was last seen, in any unit.
    event : str
        Column that holds 1 where the event happened, else 0.
    group : str, optional
        Column of what is compared; each level gets a curve, and is told as a text.
    grid : float or list of float, optional
        The width of intervals of time, or their ends. Without it the curve is exact, which every
        data owner has to allow (`event_times`).
    confidence : float
        Of the bounds, between 0 and 1.
    restriction : float, optional
        Until when mean times count; the shortest of the groups' last times where nothing is said.
    organizations : list of int, optional
        Ids of who takes part; all where nothing is said.

    Returns
    -------
    dict
        - `curve`: a record for each group and time, with `group`, `time`, `at_risk`, `events`,
          `censored`, `survival`, `standard_error`, `lower` and `upper`;
        - `summary`: a record for each group with `rows`, `events`, `median`, `median_lower`,
          `median_upper` (None where the curve stays above one half), `restricted_mean` and its
          `restricted_mean_standard_error`;
        - `restriction`: until when the mean times count;
        - `log_rank`: `statistic`, `degrees_of_freedom`, `p_value` and `groups` with `observed`
          and `expected` events; None where there is nothing to compare;
        - `rows` and `missing`: how many people took part, and how many lack a value;
        - `organizations`: a record of `organization` (its id), `rows`, `missing` each.

    Raises
    ------
    TaskFailed
        When an organization could not tell its counts, or may not; the text says which and why.
    InputError
        When the question makes no sense.
    """
    check_grid(grid)
    check_confidence(confidence)
    if restriction is not None and not restriction > 0:
        raise InputError("The restriction of the mean is a time above 0")
    answers = client.ask(
        "kaplan_meier_counts",
        organizations=organizations,
        time=time,
        event=event,
        group=group,
        grid=grid,
    )
    lives = _lives([table for answer in answers.values() for table in answer["groups"]])
    curves = {level: Curve.of(life, confidence) for level, life in lives.items()}
    until = restriction or min(life.last for life in lives.values())
    return {
        "curve": [{"group": level, **row} for level in curves for row in curves[level].records()],
        "summary": [{"group": level, **curves[level].summary(until)} for level in curves],
        "restriction": until,
        "log_rank": log_rank(lives) if len(lives) > 1 else None,
        "rows": sum(answer["rows"] for answer in answers.values()),
        "missing": sum(answer["missing"] for answer in answers.values()),
        "organizations": of_organizations(answers, "rows", "missing"),
    }


def _lives(tables: list[dict[str, Any]]) -> dict[Any, Life]:
    """The people of each level, in the order of the levels."""
    if not tables:
        raise InputError("No organization has a row to draw a curve from")
    levels = sorted({table["level"] for table in tables}, key=level_order)
    return {
        level: Life.of([table for table in tables if table["level"] == level]) for level in levels
    }
