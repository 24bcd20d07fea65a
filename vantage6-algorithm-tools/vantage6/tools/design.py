"""The predictors of a model as columns of numbers, agreed on over sites that show no rows.

Each site surveys its columns (`survey`), the central function makes one design of what all say
(`agree`), and each site makes its columns of that (`matrix`). Numeric predictors are centered and
scaled by the mean and the standard deviation over all sites, which keeps every later sum in good
condition; categories are treatment coded: one column of 0 and 1 for each level but the first.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray

from vantage6.tools.columns import is_numeric, labels, level_order, numbers
from vantage6.tools.disclosure import Disclosure
from vantage6.tools.exceptions import InputError
from vantage6.tools.moments import Moments, tell_moments

if TYPE_CHECKING:
    from pandas import DataFrame, Series

__all__ = ["Design", "Term", "agree", "matrix", "named", "survey"]

NUMERIC = "numeric"
CATEGORY = "category"


@dataclass(frozen=True)
class Term:
    """One column of a design: a numeric predictor, or one level of a category.

    Attributes
    ----------
    column : str
        The predictor.
    level : str, optional
        The level that is 1 here; None for a numeric predictor.
    center, scale : float
        Mean and standard deviation over all sites.
    """

    column: str
    level: str | None
    center: float
    scale: float

    @property
    def name(self) -> str:
        """How the term is called in a table: `age`, or `stage[II]`."""
        return self.column if self.level is None else f"{self.column}[{self.level}]"


@dataclass(frozen=True)
class Design:
    """The columns of a model, the same at every site.

    Attributes
    ----------
    terms : tuple of Term
    levels : dict
        All levels of each category, the one that the others are compared with first.
    """

    terms: tuple[Term, ...]
    levels: Mapping[str, list[str]]

    def as_input(self) -> dict[str, Any]:
        """The design as the input of a subtask; `from_input` reads it."""
        return {"terms": [asdict(term) for term in self.terms], "levels": dict(self.levels)}

    @classmethod
    def from_input(cls, value: Mapping[str, Any], predictors: Iterable[str]) -> "Design":
        """The design that a subtask was given for these predictors."""
        try:
            design = cls(tuple(Term(**term) for term in value["terms"]), dict(value["levels"]))
            usable = [
                0 < term.scale < math.inf and math.isfinite(term.center) for term in design.terms
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError("The design of the model is not one that agree() makes") from error
        named = [(term.level is None) != (term.column in design.levels) for term in design.terms]
        if not all(usable + named):
            raise InputError("The terms of the design have no scale, or belong to no level of it")
        if set(design.predictors) != set(predictors):
            raise InputError("The design is not of the predictors of this model")
        return design

    @property
    def names(self) -> list[str]:
        """The names of the terms."""
        return [term.name for term in self.terms]

    @property
    def predictors(self) -> list[str]:
        """The columns that the terms are made of."""
        return list(dict.fromkeys(term.column for term in self.terms))

    @property
    def centers(self) -> NDArray[Any]:
        """Those of the terms."""
        return numpy.array([term.center for term in self.terms])

    @property
    def scales(self) -> NDArray[Any]:
        """Those of the terms."""
        return numpy.array([term.scale for term in self.terms])

    @property
    def reference(self) -> dict[str, str]:
        """The level of each category that the others are compared with."""
        return {column: levels[0] for column, levels in self.levels.items()}


def named(
    predictors: Sequence[str] | str,
    categorical: Iterable[str] = (),
    levels: Mapping[str, Sequence[Any]] | None = None,
) -> tuple[list[str], list[str]]:
    """The predictors that a researcher names, and those of them that are categories by name.

    Raises
    ------
    InputError
        When a category is not among the predictors.
    """
    columns = [predictors] if isinstance(predictors, str) else list(predictors)
    as_levels = sorted({*categorical, *(levels or {})})
    for column in as_levels:
        if column not in columns:
            raise InputError(f"{column!r} is named as a category and is not among the predictors")
    return columns, as_levels


def survey(
    rows: "DataFrame", predictors: Sequence[str], categorical: Iterable[str], disclosure: Disclosure
) -> dict[str, dict[str, Any]]:
    """What one site tells of its predictors before the design is agreed.

    Parameters
    ----------
    rows : DataFrame
        Without missing values.
    predictors : sequence of str
    categorical : iterable of str
        Those that are categories although they may hold numbers.
    disclosure : Disclosure

    Returns
    -------
    dict
        By predictor: `kind`, and of numbers their moments, of categories `levels` with their
        counts.

    Raises
    ------
    InputError
        For columns that are neither.
    DisclosureRefused
        For columns that tell about too few people.
    """
    as_levels = set(categorical)
    told: dict[str, dict[str, Any]] = {}
    for column in predictors:
        if column in as_levels or not is_numeric(rows[column]):
            told[column] = _survey_levels(rows[column], disclosure)
        else:
            told[column] = _survey_numbers(rows[column], disclosure)
    return told


def _survey_numbers(column: "Series", disclosure: Disclosure) -> dict[str, Any]:
    told = tell_moments(numbers(column)[:, None], [str(column.name)], disclosure)
    return {"kind": NUMERIC, "moments": told}


def _survey_levels(column: "Series", disclosure: Disclosure) -> dict[str, Any]:
    counts = labels(column).value_counts()
    disclosure.require_levels(len(counts), len(column), repr(column.name))
    disclosure.require_cells(counts.tolist(), f"rows with a level of {column.name!r}")
    return {
        "kind": CATEGORY,
        "levels": {str(level): int(count) for level, count in counts.items()},
    }


def agree(
    surveys: Mapping[int, Mapping[str, Any]],
    levels: Mapping[str, Sequence[Any]] | None = None,
) -> Design:
    """One design of what all sites tell.

    Parameters
    ----------
    surveys : mapping
        The survey of each organization, by its id.
    levels : mapping, optional
        The levels of some categories in the order wanted, the one to compare with first; the
        levels of others are sorted.

    Raises
    ------
    ValueError
        When sites hold different things under one name, a level is not among those given, or a
        predictor has one value only.
    """
    given = {column: _texts(named) for column, named in (levels or {}).items()}
    terms: list[Term] = []
    found: dict[str, list[str]] = {}
    for column in next(iter(surveys.values())):
        told = {organization: survey[column] for organization, survey in surveys.items()}
        if _kind(column, told) == NUMERIC:
            terms.append(_numeric_term(column, told))
        else:
            counts = _pooled_levels(told)
            found[column] = _order(column, counts, given.get(column))
            terms += _level_terms(column, found[column], counts)
    return Design(tuple(terms), found)


def _texts(levels: Sequence[Any]) -> list[str]:
    """Levels as sites write them."""
    import pandas

    return list(labels(pandas.Series(list(levels), dtype=object)))


def _kind(column: str, told: Mapping[int, Mapping[str, Any]]) -> str:
    kinds = {organization: answer["kind"] for organization, answer in told.items()}
    if len(set(kinds.values())) > 1:
        text = ", ".join(str(id_) for id_, kind in kinds.items() if kind != NUMERIC)
        raise ValueError(
            f"The column {column!r} holds text at organization {text} and numbers elsewhere;"
            " name it in `categorical` if it is a category"
        )
    return str(next(iter(kinds.values())))


def _numeric_term(column: str, told: Mapping[int, Mapping[str, Any]]) -> Term:
    moments = Moments.of((answer["moments"] for answer in told.values()), [column])
    return Term(column, None, float(moments.mean[0]), float(moments.deviation[0]))


def _pooled_levels(told: Mapping[int, Mapping[str, Any]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for answer in told.values():
        for level, count in answer["levels"].items():
            counts[level] = counts.get(level, 0) + count
    return counts


def _order(column: str, counts: Mapping[str, int], given: list[str] | None) -> list[str]:
    order = given or sorted(counts, key=level_order)
    if others := set(counts) - set(order):
        named = ", ".join(sorted(others))
        raise ValueError(f"The levels given for {column!r} lack some that there are: {named}")
    if absent := [level for level in order if level not in counts]:
        raise ValueError(f"No organization has rows with the level {absent[0]!r} of {column!r}")
    if len(order) < 2:
        raise ValueError(f"The column {column!r} has one level only; leave it out")
    return order


def _level_terms(column: str, order: list[str], counts: Mapping[str, int]) -> list[Term]:
    total = sum(counts.values())
    shares = {level: counts[level] / total for level in order[1:]}
    return [
        Term(column, level, share, math.sqrt(share * (1 - share)))
        for level, share in shares.items()
    ]


def matrix(rows: "DataFrame", design: Design, disclosure: Disclosure) -> NDArray[Any]:
    """The columns of a design at one site, centered and scaled: an array of rows by terms.

    The survey's checks are made again: what is asked for need not be what was surveyed.

    Raises
    ------
    InputError
        When the data do not fit the design.
    DisclosureRefused
        For columns that tell about too few people.
    """
    told = survey(rows, design.predictors, design.levels, disclosure)
    level_of = {column: labels(rows[column]).to_numpy() for column in design.levels}
    for column, order in design.levels.items():
        if set(told[column]["levels"]) - set(order):
            raise InputError(f"The column {column!r} has levels that are not in the design")
    result: NDArray[Any] = numpy.empty((len(rows), len(design.terms)))
    for place, term in enumerate(design.terms):
        values = (
            numbers(rows[term.column])
            if term.level is None
            else (level_of[term.column] == term.level).astype(float)
        )
        result[:, place] = (values - term.center) / term.scale
    return result
