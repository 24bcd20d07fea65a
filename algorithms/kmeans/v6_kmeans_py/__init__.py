"""k-means over the rows of all organizations of a collaboration.

Each organization tells, for each centre, how many rows are nearest to it and their sums. No row
leaves it, no centre begins as one, and the labels of rows stay where the rows are: `assign` gives
them to whoever has both rows and centres.
"""

from v6_kmeans_py.central import kmeans
from v6_kmeans_py.labels import assign
from v6_kmeans_py.site import RPC_kmeans_moments, RPC_kmeans_sums

__all__ = ["RPC_kmeans_moments", "RPC_kmeans_sums", "assign", "kmeans"]
