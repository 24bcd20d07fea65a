"""Linear, logistic and Poisson regression over all organizations of a collaboration.

Each organization sends sums over its rows, once for each step of iteratively reweighted least
squares; the answer is that of the same regression on all rows in one place.
"""

from v6_glm_py.central import glm
from v6_glm_py.site import RPC_glm_sums, RPC_glm_survey

__all__ = ["RPC_glm_sums", "RPC_glm_survey", "glm"]
