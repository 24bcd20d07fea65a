"""The client of algorithms under the name of later releases."""

from vantage6.common.client.container import AlgorithmClient

__all__ = ["AlgorithmClient"]
