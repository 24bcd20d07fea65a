from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from vantage6.server.model.association import Permission, role_rule_association
from vantage6.server.model.base import Model

if TYPE_CHECKING:
    from vantage6.server.model.organization import Organization
    from vantage6.server.model.rule import Rule
    from vantage6.server.model.user import User


class Role(Model):
    """A named bundle of rules; one without an organization can be given to anybody."""

    __tablename__ = "role"

    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    organization_id: Mapped[int | None] = mapped_column(
        ForeignKey("organization.id", ondelete="CASCADE"), index=True
    )

    organization: Mapped["Organization | None"] = relationship(back_populates="roles")
    rules: Mapped[list["Rule"]] = relationship(
        secondary=role_rule_association, back_populates="roles", passive_deletes=True
    )
    users: Mapped[list["User"]] = relationship(
        secondary=Permission, back_populates="roles", passive_deletes=True
    )
