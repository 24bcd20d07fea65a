"""What ran here, for whom, on which data, and what left: lines that cannot change unnoticed."""

from vantage6.node.audit.log import AuditLog, AuditUnavailable

__all__ = ["AuditLog", "AuditUnavailable"]
