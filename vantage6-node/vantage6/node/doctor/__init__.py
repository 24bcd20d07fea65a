"""Finds out why a node would not work, without starting it or changing anything."""

from vantage6.node.doctor.examination import examine
from vantage6.node.doctor.findings import Finding, Verdict

__all__ = ["Finding", "Verdict", "examine"]
