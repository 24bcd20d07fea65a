"""The course of a soak as a picture: answers over time, and above it what was broken when."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Break:
    """One fault; seconds since the first question.

    Attributes
    ----------
    kind, part : str
    began, ended : float
    """

    kind: str
    part: str
    began: float
    ended: float


def draw(answers: Sequence[tuple[float, int]], breaks: Sequence[Break], path: Path) -> None:
    """Draw it as a PNG.

    Parameters
    ----------
    answers : sequence of (float, int)
        When an attempt ended with the right answer, and how many runs it took.
    breaks : sequence of Break
    path : Path
    """
    # imported here: it takes longer than all else that is imported
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    kinds = sorted({one.kind for one in breaks})
    figure, (above, below) = pyplot.subplots(
        2, 1, sharex=True, figsize=(10, 8), height_ratios=(2, 1), layout="constrained"
    )
    for row, kind in enumerate(kinds):
        spans = [(b.began, max(b.ended - b.began, 0.5)) for b in breaks if b.kind == kind]
        above.broken_barh(spans, (row - 0.4, 0.8))
    above.set_yticks(range(len(kinds)), kinds)
    above.set_title("What was broken")
    total, moments, runs = 0, [0.0], [0]
    for moment, count in sorted(answers):
        total += count
        moments.append(moment)
        runs.append(total)
    below.step(moments, runs, where="post")
    below.set_xlabel("seconds")
    below.set_ylabel("runs answered, all of them right")
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
