"""Kaplan-Meier curves and the log-rank test over all organizations of a collaboration.

Each organization tells how many people had an event, and how many were last seen, at each of a
few times; no row leaves it. Without `grid` these are the times of single people, which a data
owner has to allow; with it they are means over groups of people, rounded up to the grid.
"""

from v6_kaplan_meier_py.central import kaplan_meier
from v6_kaplan_meier_py.site import RPC_kaplan_meier_counts

__all__ = ["RPC_kaplan_meier_counts", "kaplan_meier"]
