"""Errors at their classic place."""

from vantage6.common.exceptions import DeserializationException

__all__ = ["DeserializationException"]
