"""The tables that join two others; their names are those of the classic server."""

from sqlalchemy import Column, ForeignKey, Table

from vantage6.server.model.base import Base


def _between(name: str, first: str, second: str) -> Table:
    """A table of pairs, each pair once, that goes when either side goes."""
    return Table(
        name,
        Base.metadata,
        Column(f"{first}_id", ForeignKey(f"{first}.id", ondelete="CASCADE"), primary_key=True),
        Column(
            f"{second}_id",
            ForeignKey(f"{second}.id", ondelete="CASCADE"),
            primary_key=True,
            index=True,
        ),
    )


Member = _between("Member", "organization", "collaboration")
Permission = _between("Permission", "role", "user")
UserPermission = _between("UserPermission", "rule", "user")
role_rule_association = _between("role_rule_association", "role", "rule")
