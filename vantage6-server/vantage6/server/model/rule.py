from typing import TYPE_CHECKING

from sqlalchemy import Enum, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from vantage6.server.model.association import UserPermission, role_rule_association
from vantage6.server.model.base import Model
from vantage6.server.permission.catalogue import Operation, RuleKey, Scope

if TYPE_CHECKING:
    from vantage6.server.model.role import Role
    from vantage6.server.model.user import User


class Rule(Model):
    """The row of a rule of the permission catalogue, so that it can be given out."""

    __tablename__ = "rule"
    __table_args__ = (
        UniqueConstraint("name", "scope", "operation"),
        {"sqlite_autoincrement": True},
    )

    name: Mapped[str] = mapped_column(Text)
    operation: Mapped[Operation] = mapped_column(
        Enum(Operation, name="operation", create_constraint=True)
    )
    scope: Mapped[Scope] = mapped_column(Enum(Scope, name="scope", create_constraint=True))
    description: Mapped[str | None]

    roles: Mapped[list["Role"]] = relationship(
        secondary=role_rule_association, back_populates="rules", passive_deletes=True
    )
    users: Mapped[list["User"]] = relationship(
        secondary=UserPermission, back_populates="rules", passive_deletes=True
    )

    @property
    def key(self) -> RuleKey:
        """What identifies it, in the catalogue as well."""
        return (self.name, self.scope, self.operation)
