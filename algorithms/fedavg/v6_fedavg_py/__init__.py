"""Federated averaging of a linear, logistic or small neural model.

In each round every organization starts from the same weights, improves them on its own rows, and
tells by how much; the average of these changes, by rows, makes the next weights. No row leaves it.
"""

from v6_fedavg_py.central import fedavg
from v6_fedavg_py.prediction import predict
from v6_fedavg_py.site import RPC_fedavg_moments, RPC_fedavg_round

__all__ = ["RPC_fedavg_moments", "RPC_fedavg_round", "fedavg", "predict"]
