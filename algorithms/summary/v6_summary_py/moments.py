"""Means and variances of parts put together, without the sums of squares that lose digits.

Source: Chan, Golub and LeVeque, Algorithms for computing the sample variance, The American
Statistician 37 (1983), 242-247.
"""

import math
from collections.abc import Sequence
from typing import Any

Moments = dict[str, Any]


def together(parts: Sequence[Moments]) -> Moments:
    """The moments of all values, from those of each part.

    Parameters
    ----------
    parts : sequence of dict
        `count`, `missing`, `mean`, `rest`, which the mean lacks because it is rounded, and
        `squares`: the sum of squared differences from both together.

    Returns
    -------
    dict
        `count`, `missing`, `mean`, `variance` (with one less than the count) and
        `standard_deviation`; None where there are too few values for one.
    """
    count = sum(part["count"] for part in parts)
    answer: Moments = {
        "count": count,
        "missing": sum(part["missing"] for part in parts),
        "mean": None,
        "variance": None,
        "standard_deviation": None,
    }
    if count:
        near = math.fsum(part["count"] * part["mean"] for part in parts) / count
        # Differences of nearly equal numbers are exact, so the digits that count are not lost.
        apart = [part["mean"] - near + part["rest"] for part in parts]
        rest = math.fsum(p["count"] * d for p, d in zip(parts, apart, strict=True)) / count
        answer["mean"] = near + rest
        within = [part["squares"] for part in parts]
        between = [p["count"] * (d - rest) ** 2 for p, d in zip(parts, apart, strict=True)]
        if count > 1:
            answer["variance"] = math.fsum([*within, *between]) / (count - 1)
            answer["standard_deviation"] = math.sqrt(answer["variance"])
    return answer
