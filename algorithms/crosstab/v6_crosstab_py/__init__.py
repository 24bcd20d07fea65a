"""Contingency table of two categories over the sites of a collaboration, with its tests.

Sites send how many people have which levels; a site where one of these counts is small sends
nothing.
"""

from v6_crosstab_py.central import crosstab
from v6_crosstab_py.site import RPC_crosstab_counts

__all__ = ["RPC_crosstab_counts", "crosstab"]
