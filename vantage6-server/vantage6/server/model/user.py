from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from vantage6.server.model.association import Permission, UserPermission
from vantage6.server.model.authenticatable import Authenticatable
from vantage6.server.service.password import hash_password

if TYPE_CHECKING:
    from vantage6.server.model.organization import Organization
    from vantage6.server.model.role import Role
    from vantage6.server.model.rule import Rule
    from vantage6.server.model.task import Task


class User(Authenticatable):
    """A person with an account."""

    __tablename__ = "user"

    id: Mapped[int] = mapped_column(
        ForeignKey("authenticatable.id", ondelete="CASCADE"), primary_key=True, sort_order=-1
    )
    username: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str | None] = mapped_column("password")
    firstname: Mapped[str | None]
    lastname: Mapped[str | None]
    email: Mapped[str | None] = mapped_column(unique=True)
    organization_id: Mapped[int] = mapped_column(
        ForeignKey("organization.id", ondelete="CASCADE"), index=True
    )
    # Kept for databases of the classic server; the limits of log-ins are in LoginAttempt.
    failed_login_attempts: Mapped[int | None] = mapped_column(default=0)
    last_login_attempt: Mapped[datetime | None]
    # As well; what the server uses is in SecondFactor, which is sealed.
    otp_secret: Mapped[str | None] = mapped_column(String(32))

    organization: Mapped["Organization"] = relationship(back_populates="users")
    roles: Mapped[list["Role"]] = relationship(
        secondary=Permission, back_populates="users", passive_deletes=True
    )
    rules: Mapped[list["Rule"]] = relationship(
        secondary=UserPermission, back_populates="users", passive_deletes=True
    )
    created_tasks: Mapped[list["Task"]] = relationship(
        back_populates="init_user", passive_deletes=True
    )

    __mapper_args__ = {"polymorphic_identity": "user"}

    @property
    def password(self) -> None:
        """Can only be set: what is kept is a hash."""
        raise AttributeError("The password of a user is not stored, only its hash")

    @password.setter
    def password(self, value: str) -> None:
        self.password_hash = hash_password(value)
