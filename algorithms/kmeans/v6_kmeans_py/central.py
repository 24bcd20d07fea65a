"""Lloyd's algorithm over several organizations, from several starts at once."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy

from v6_kmeans_py.labels import Numbers
from v6_kmeans_py.start import Start, seeds
from vantage6.tools.exceptions import InputError
from vantage6.tools.moments import Moments
from vantage6.tools.records import of_organizations

if TYPE_CHECKING:
    from pandas import DataFrame

    from vantage6.tools.container_client import ContainerClient

#: Rounds in which the candidates for first centres are brought to where rows are.
ROUNDS_OF_CANDIDATES = 3


def kmeans(
    client: "ContainerClient",
    data: "DataFrame",
    columns: list[str],
    clusters: int,
    *,
    scale: bool = True,
    init: list[list[float]] | None = None,
    restarts: int = 5,
    seed: int = 0,
    iterations: int = 100,
    tolerance: float = 0.0,
    exact: bool = False,
    organizations: list[int] | None = None,
) -> dict[str, Any]:
    """Clusters of the rows of all organizations together.

    Parameters
    ----------
    client : ContainerClient
        Reaches the organizations.
    data : DataFrame
        The data at the organization that runs this function; not looked at.
    columns : list of str
        Columns of numbers. Rows that lack a value in one of them are left out.
    clusters : int
        How many.
    scale : bool
        Whether columns count by their standard deviation over all organizations, or as they are.
    init : list of list of float, optional
        First centres, in the units of the columns; then there is one start.
    restarts : int
        From how many different first centres; the one with the least inertia is answered.
    seed : int
        Of the choice of first centres; the same seed gives the same answer.
    iterations : int
        The most rounds of Lloyd's algorithm.
    tolerance : float
        When to stop: the sum of the squared moves of all centres, on the common scale.
    exact : bool
        Whether the rows themselves are clustered, which every data owner has to allow
        (`cluster_sums`). Otherwise it is groups of alike rows, each counted by its rows.
    organizations : list of int, optional
        Ids of who takes part; all where nothing is said.

    Returns
    -------
    dict
        - `centres`: a record for each, with `cluster` (its number), `rows` and the columns;
        - `spreads`: the same with the standard deviation within each cluster;
        - `inertia`: sum of squared distances from the nearest centre, on the common scale, and
          `restarts`: that of each start, but for those that an organization did not tell all of
          because few of its rows were nearest to a centre;
        - `iterations`, `converged`, `rows`, `exact`, `columns`;
        - `mean` and `scale`: what was subtracted from each column, and divided by;
        - `organizations`: a record of `organization` (its id) and `rows` each.

    Raises
    ------
    TaskFailed
        When an organization could not tell its sums, or may not; the text says which and why.
    InputError
        When the question makes no sense.
    """
    _check(columns, clusters, init, restarts, iterations)
    told = client.ask("kmeans_moments", organizations=organizations, columns=columns)
    moments = Moments.of(told.values(), columns)
    if clusters > moments.rows:
        raise InputError(f"There are {clusters} clusters asked for, of {moments.rows} rows")
    widths = moments.deviation if scale else numpy.ones(len(columns))

    def ask(centres: list[Numbers], exact: bool) -> list[list[dict[str, Any]]]:
        """What each organization tells of each set of centres, by set."""
        answers = client.ask(
            "kmeans_sums",
            organizations=organizations,
            columns=columns,
            starts=[points.tolist() for points in centres],
            mean=moments.mean.tolist(),
            scale=widths.tolist(),
            exact=exact,
        )
        return [list(of_start) for of_start in zip(*answers.values(), strict=True)]

    spread = moments.deviation / widths
    generator = numpy.random.default_rng(seed)
    if init is None:
        starts = _starts(ask, clusters, restarts, spread, generator)
    else:
        starts = [
            Start((numpy.array(init, dtype=float) - moments.mean) / widths, spread, generator)
        ]
    for _ in range(iterations):
        going = [start for start in starts if not start.converged]
        if not going:
            break
        answers = ask([start.centres for start in going], exact)
        for start, answer in zip(going, answers, strict=True):
            if None in answer:
                starts.remove(start)
            else:
                start.step(answer, tolerance)
    if not starts:
        raise InputError(
            "From every start, few rows of some organization came to be nearest to a centre: ask "
            "for fewer clusters, or without exact=True"
        )
    best = min(starts, key=lambda start: start.inertia)
    return {
        **best.described(columns, moments.mean, widths),
        "restarts": [start.inertia for start in starts],
        "exact": exact,
        "organizations": of_organizations(told, "rows"),
        "rows": moments.rows,
    }


def _starts(
    ask: Callable[[list[Numbers], bool], list[list[dict[str, Any]]]],
    clusters: int,
    restarts: int,
    spread: Numbers,
    generator: numpy.random.Generator,
) -> list[Start]:
    """First centres that are no row: points drawn at random, moved to where groups of rows are."""
    many = 10 + 5 * clusters
    candidates = Start(generator.standard_normal((many, len(spread))) * spread, spread, generator)
    for _ in range(ROUNDS_OF_CANDIDATES):
        (answer,) = ask([candidates.centres], False)
        candidates.step(answer, 0.0)
    chosen = (seeds(candidates, clusters, generator) for _ in range(restarts))
    return [Start(centres, spread, generator) for centres in chosen]


def _check(
    columns: list[str],
    clusters: int,
    init: list[list[float]] | None,
    restarts: int,
    iterations: int,
) -> None:
    for name, number in (
        ("clusters", clusters),
        ("restarts", restarts),
        ("iterations", iterations),
    ):
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise InputError(f"The number of {name} is a whole number from 1")
    if not isinstance(columns, list):
        raise InputError("The columns are a list of names")
    if init is not None and [len(point) for point in init] != [len(columns)] * clusters:
        raise InputError(f"init holds {clusters} points of {len(columns)} numbers each")
