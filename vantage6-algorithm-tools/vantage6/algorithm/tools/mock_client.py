"""The mock at its place of the 4.x line."""

from vantage6.tools.mock_client import MockAlgorithmClient

__all__ = ["MockAlgorithmClient"]
