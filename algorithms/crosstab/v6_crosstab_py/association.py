"""Whether the rows and columns of a table of counts have to do with each other.

Formulas: Agresti, Categorical Data Analysis (2013), sections 3.2 (chi-square), 3.5 (Fisher) and 6.4
(Cochran-Mantel-Haenszel, common odds ratio); Yates, Supplement to the Journal of the Royal
Statistical Society 1 (1934), 217-235; Cramér, Mathematical Methods of Statistics (1946), 21.9.
"""

import math

import numpy
from numpy.typing import NDArray

Counts = NDArray[numpy.int64]
Figures = dict[str, float | int | None]

_NOTHING: Figures = {
    "chi_square": None,
    "degrees_of_freedom": None,
    "p_value": None,
    "chi_square_yates": None,
    "p_value_yates": None,
    "cramers_v": None,
    "odds_ratio": None,
    "p_value_fisher": None,
}


def expected(table: Counts) -> NDArray[numpy.float64]:
    """The counts that would be expected if rows and columns had nothing to do with each other."""
    return numpy.outer(table.sum(axis=1), table.sum(axis=0)) / max(1, table.sum())


def tests(table: Counts) -> Figures:
    """Pearson's chi-square test, and for two by two levels Yates' and Fisher's.

    Levels without anybody are left out. With a single level of one of both there is nothing to
    test, and all figures are None.

    Parameters
    ----------
    table : array of int, rows x columns

    Returns
    -------
    dict
        `chi_square`, `degrees_of_freedom`, `p_value`, `cramers_v`; for two by two levels
        `chi_square_yates`, `p_value_yates`, `odds_ratio`, `p_value_fisher`, otherwise None.
    """
    used = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    if min(used.shape) < 2:
        return dict(_NOTHING)
    off, under = abs(used - expected(used)), expected(used)
    freedom = (used.shape[0] - 1) * (used.shape[1] - 1)
    statistic = float((off**2 / under).sum())
    figures: Figures = {
        **_NOTHING,
        "chi_square": statistic,
        "degrees_of_freedom": freedom,
        "p_value": _beyond(statistic, freedom),
        "cramers_v": math.sqrt(statistic / used.sum() / (min(used.shape) - 1)),
    }
    if used.shape == (2, 2):
        corrected = float(((off - numpy.minimum(0.5, off)) ** 2 / under).sum())
        figures |= {
            "chi_square_yates": corrected,
            "p_value_yates": _beyond(corrected, 1),
            "odds_ratio": _ratio(used[0, 0] * used[1, 1], used[0, 1] * used[1, 0]),
            "p_value_fisher": _fisher(used),
        }
    return figures


def common(tables: list[Counts]) -> Figures | None:
    """The Cochran-Mantel-Haenszel test over strata; None unless they are tables of two by two.

    Parameters
    ----------
    tables : list of array of int, 2 x 2

    Returns
    -------
    dict
        `odds_ratio` (that of Mantel and Haenszel), `chi_square` and `p_value` without, and
        `chi_square_corrected` and `p_value_corrected` with correction for continuity.
    """
    if any(table.shape != (2, 2) for table in tables):
        return None
    # A stratum with one person says nothing, and its variance is 0 over 0.
    used = [table for table in tables if table.sum() > 1]
    off = abs(sum(table[0, 0] - expected(table)[0, 0] for table in used))
    variance = sum(_variance(table) for table in used)
    if not variance:
        return None
    plain, corrected = off**2 / variance, max(0.0, off - 0.5) ** 2 / variance
    return {
        "odds_ratio": _ratio(
            sum(table[0, 0] * table[1, 1] / table.sum() for table in used),
            sum(table[0, 1] * table[1, 0] / table.sum() for table in used),
        ),
        "chi_square": float(plain),
        "p_value": _beyond(plain, 1),
        "chi_square_corrected": float(corrected),
        "p_value_corrected": _beyond(corrected, 1),
    }


def _variance(table: Counts) -> float:
    margins = math.prod([*map(int, table.sum(axis=0)), *map(int, table.sum(axis=1))])
    total = int(table.sum())
    return margins / (total**2 * (total - 1))


def _ratio(above: float, below: float) -> float | None:
    return float(above / below) if below else None


def _beyond(statistic: float, freedom: int) -> float:
    """How likely a larger chi-square is by chance."""
    from scipy.special import chdtrc

    return float(chdtrc(freedom, statistic))


def _fisher(table: Counts) -> float:
    """The two-sided exact test: all tables of the same margins that are no more likely."""
    from scipy.stats import fisher_exact

    return float(fisher_exact(table).pvalue)
