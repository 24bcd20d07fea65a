"""Cox proportional hazards over all organizations of a collaboration.

With a baseline hazard for each site, only three sums leave a site in each step: its partial
likelihood and the first and second derivatives. One baseline for all sites needs sums over the
people at risk at each event, from which single people can be computed; a site tells them only
where its owner allows it.
"""

from v6_coxph_py.central import coxph
from v6_coxph_py.site import (
    RPC_coxph_pairs,
    RPC_coxph_risk_sets,
    RPC_coxph_sums,
    RPC_coxph_survey,
)

__all__ = [
    "RPC_coxph_pairs",
    "RPC_coxph_risk_sets",
    "RPC_coxph_sums",
    "RPC_coxph_survey",
    "coxph",
]
