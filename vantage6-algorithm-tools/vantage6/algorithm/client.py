"""The client of algorithms at the place of the 4.x line."""

from vantage6.common.client.container import AlgorithmClient

__all__ = ["AlgorithmClient"]
