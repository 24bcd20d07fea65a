"""Columns of a collaboration in figures: counts, mean, variance, quantiles, levels.

Sites send counts, means and sums of squares, and how many values lie in which of the cells of a
histogram; no value itself leaves a site, and no figure that would tell one.
"""

from v6_summary_py.central import summary
from v6_summary_py.site import RPC_summary_cells, RPC_summary_parts

__all__ = ["RPC_summary_cells", "RPC_summary_parts", "summary"]
