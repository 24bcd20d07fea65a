from typing import TYPE_CHECKING

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from vantage6.common import base64s_to_bytes, bytes_to_base64s
from vantage6.server.model.association import Member
from vantage6.server.model.base import Model

if TYPE_CHECKING:
    from vantage6.server.model.collaboration import Collaboration
    from vantage6.server.model.node import Node
    from vantage6.server.model.result import Result
    from vantage6.server.model.role import Role
    from vantage6.server.model.task import Task
    from vantage6.server.model.user import User


class Organization(Model):
    """A party with data, users or both, such as a hospital."""

    __tablename__ = "organization"

    name: Mapped[str | None]
    domain: Mapped[str | None]
    address1: Mapped[str | None]
    address2: Mapped[str | None]
    zipcode: Mapped[str | None]
    country: Mapped[str | None]
    _public_key: Mapped[bytes | None] = mapped_column("_public_key")
    # What its nodes can read, signed with its key; the server hands it on and trusts it in nothing.
    capabilities: Mapped[str | None] = mapped_column(Text)

    collaborations: Mapped[list["Collaboration"]] = relationship(
        secondary=Member, back_populates="organizations", passive_deletes=True
    )
    # Deleted one by one: a node and a user also have a row among the identities.
    nodes: Mapped[list["Node"]] = relationship(back_populates="organization", cascade="all")
    users: Mapped[list["User"]] = relationship(back_populates="organization", cascade="all")
    roles: Mapped[list["Role"]] = relationship(
        back_populates="organization", cascade="all", passive_deletes=True
    )
    results: Mapped[list["Result"]] = relationship(
        back_populates="organization", cascade="all", passive_deletes=True
    )
    created_tasks: Mapped[list["Task"]] = relationship(
        back_populates="initiator", cascade="all", passive_deletes=True
    )

    @property
    def public_key(self) -> str:
        """Base64 of the public key; empty when there is none."""
        return bytes_to_base64s(self._public_key) if self._public_key else ""

    @public_key.setter
    def public_key(self, value: str | None) -> None:
        key = base64s_to_bytes(value) if value else None
        if key != self._public_key:
            # It was signed with the old one.
            self.capabilities = None
        self._public_key = key

    @validates("capabilities")
    def _none_for_nothing(self, _: str, value: str | None) -> str | None:
        return value or None
