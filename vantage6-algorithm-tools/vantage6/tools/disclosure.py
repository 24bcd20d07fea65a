"""Checks that a federated function makes before it tells anything, beside the data.

The thresholds belong to the data owner: the node puts them into the environment, and nothing in
an input can change them. Every check raises `DisclosureRefused`, whose text names the rule, the
threshold and never a value.

Examples
--------
>>> def RPC_mean_partial(data, column):
...     values = data[column].dropna()
...     disclosure = Disclosure.at_this_site()
...     disclosure.require_rows(len(values))
...     disclosure.require_no_dominance(values)
...     return {"sum": values.sum(), "count": len(values)}
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from vantage6.common.disclosure import Thresholds
from vantage6.tools.exceptions import DisclosureRefused

__all__ = ["Disclosure", "DisclosureRefused", "Thresholds"]

ROUNDING = 1e-10


@dataclass(frozen=True)
class Disclosure:
    """The checks with the thresholds of one data owner."""

    thresholds: Thresholds

    @classmethod
    def at_this_site(cls) -> "Disclosure":
        """The checks with the thresholds that the node put into the environment."""
        return cls(Thresholds.from_environment())

    def require_rows(self, rows: int, what: str = "this database") -> None:
        """Refuse to compute anything from too few rows."""
        least = self.thresholds.minimum_rows
        if rows < least:
            raise DisclosureRefused(f"There are fewer than {least} usable rows in {what}")

    def require_sum(self, values: Any, what: str) -> None:
        """Refuse the sum, or the mean, of a column unless it says little of any single row.

        None at all are told. Of some there have to be enough, none of them may be most of the
        sum, and of a column with two values, whose sum is a count, each count is told.

        Parameters
        ----------
        values : array of float
            Without missing values.
        what : str
            Their name in the refusal.
        """
        import numpy

        if not len(values):
            return
        self.require_rows(len(values), what)
        self.require_no_dominance(_by_largest(values), what)
        found, counts = numpy.unique(values, return_counts=True)
        if len(found) == 2:
            self.require_cells(counts.tolist(), f"rows with one of the two values of {what}")

    def require_moments(self, values: Any, what: str) -> None:
        """Refuse mean and variance of a column together, unless they say little of any row.

        They are a model of two parameters, from which two people who are in it could compute
        each other's values in a group of few; and the variance is a sum too, of squares.
        """
        import numpy

        self.require_sum(values, what)
        if len(values):
            self.require_parameters(2, len(values))
            deviations = _by_largest(_by_largest(values) - numpy.mean(_by_largest(values)))
            self.require_no_dominance(deviations**2, f"squares of {what}")

    def require_cells(self, counts: Iterable[int], what: str) -> None:
        """Refuse to tell counts of people when one of them is small, but not 0."""
        least = self.thresholds.minimum_cell
        if any(0 < count < least for count in counts):
            raise DisclosureRefused(f"A count of {what} is smaller than {least}")

    def require_parameters(self, parameters: int, rows: int) -> None:
        """Refuse a model with too many parameters for its rows: it would describe single rows."""
        most = self.thresholds.parameters_per_row
        if parameters > most * rows:
            raise DisclosureRefused(
                f"A model of {parameters} parameters has more than {most:g} for each row"
            )

    def require_levels(self, levels: int, rows: int, what: str) -> None:
        """Refuse to name the levels of a category that could be names of people."""
        most, share = self.thresholds.maximum_levels, self.thresholds.levels_per_row
        if levels > most or levels > share * rows:
            raise DisclosureRefused(
                f"There are more than {most} levels of {what}, or more than {share:g} for each row"
            )

    def require_no_dominance(self, values: Any, what: str = "a column") -> None:
        """Refuse a sum that tells its largest part: the p% rule.

        Parameters
        ----------
        values : sequence of float
            The parts of the sum, without missing values; their sizes count, not their signs.
        what : str
            Their name in the refusal.

        Notes
        -----
        Who knows the second largest part can tell the largest one to within the sum of all
        others, which therefore has to be at least a share p of it. Source: Hundepool et al.,
        Statistical Disclosure Control (2012), section 4.2.
        """
        if self.has_dominance(values):
            raise DisclosureRefused(f"A few values are most of the sum of {what}")

    def has_dominance(self, values: Any) -> bool:
        """Whether a sum of these values tells its largest part, by the same rule.

        Of a table, rows by columns: whether the sum of any of its columns does.
        """
        import numpy

        parts = numpy.sort(numpy.abs(numpy.asarray(values, dtype=float)), axis=0)
        if not len(parts):
            return False
        # Written so that a NaN, with which every comparison is false, is dominance, too.
        spread = parts[:-2].sum(axis=0) >= self.thresholds.dominance * parts[-1]
        return not bool(numpy.all(spread))

    def require_no_leverage(self, matrix: Any, what: str = "this model") -> None:
        """Refuse sums of products of columns in which one row stands nearly alone.

        Parameters
        ----------
        matrix : array of float
            Rows by columns; for weighted sums, each row times the root of its weight.
        what : str
            What the sums are for, in the refusal.

        Notes
        -----
        The leverage of a row is its share in the combination of columns that points at it: at 1
        some combination is 0 in all other rows, and the sums give that row away, even where no
        single column does. The others keep at least the share p of the rule of dominance. Source
        of leverage: Hoaglin and Welsch, The American Statistician 32 (1978), 17-22.
        """
        import numpy

        table = numpy.asarray(matrix, dtype=float)
        # Shares of the largest first: squares of what is very large or small are no numbers.
        largest = numpy.abs(table).max(axis=0, initial=0)
        table = table / numpy.where(largest, largest, 1)
        if not numpy.isfinite(table).all():
            raise DisclosureRefused(f"There are numbers beyond all bounds in {what}")
        size = numpy.sqrt((table**2).sum(axis=0))
        left, singular, _ = numpy.linalg.svd(table / numpy.where(size, size, 1), False)
        present = singular > ROUNDING * max(singular, default=0)
        leverage = (left[:, present] ** 2).sum(axis=1)
        if leverage.max(initial=0) - ROUNDING > 1 - self.thresholds.dominance:
            raise DisclosureRefused(f"A row stands nearly alone in {what}")

    def told(self, count: int) -> int | None:
        """A count of people that may be told, None where it is small, but not 0."""
        return None if 0 < count < self.thresholds.minimum_cell else count

    def require_event_times(self, instead: str) -> None:
        """Refuse to tell the times of single events, unless the data owner allows it.

        Parameters
        ----------
        instead : str
            What the researcher can ask for instead; the end of the refusal's sentence.
        """
        if not self.thresholds.event_times:
            raise DisclosureRefused(
                f"This data owner does not tell the times of single events; {instead}"
            )

    def require_own_queries(self) -> None:
        """Refuse a query that a researcher wrote, unless the data owner allows it."""
        if not self.thresholds.own_queries:
            raise DisclosureRefused(
                "This data owner does not let researchers write queries; name a table or view"
            )

    def require_cluster_sums(self, instead: str) -> None:
        """Refuse sums over whoever is near chosen points, unless the data owner allows them.

        Parameters
        ----------
        instead : str
            What the researcher can ask for instead; the end of the refusal's sentence.
        """
        if not self.thresholds.cluster_sums:
            raise DisclosureRefused(
                f"This data owner does not tell sums over the rows near chosen points; {instead}"
            )


def _by_largest(values: Any) -> Any:
    """Values as shares of the largest: no rule minds, and their squares are finite."""
    import numpy

    return values / (numpy.max(numpy.abs(values)) or 1.0)
