import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from vantage6.server.model.authenticatable import Authenticatable

if TYPE_CHECKING:
    from vantage6.server.model.collaboration import Collaboration
    from vantage6.server.model.organization import Organization


def digest_api_key(api_key: str) -> str:
    """What is stored of an API key: the keys are random, so a plain digest tells nothing."""
    return hashlib.sha256(api_key.encode()).hexdigest()


class Node(Authenticatable):
    """The computer of one organization that runs the tasks of one collaboration."""

    __tablename__ = "node"
    __table_args__ = (UniqueConstraint("organization_id", "collaboration_id"),)

    id: Mapped[int] = mapped_column(
        ForeignKey("authenticatable.id", ondelete="CASCADE"), primary_key=True, sort_order=-1
    )
    name: Mapped[str | None]
    api_key_digest: Mapped[str | None] = mapped_column(String(64), unique=True)
    collaboration_id: Mapped[int | None] = mapped_column(
        ForeignKey("collaboration.id", ondelete="CASCADE"), index=True
    )
    organization_id: Mapped[int] = mapped_column(ForeignKey("organization.id", ondelete="CASCADE"))

    collaboration: Mapped["Collaboration | None"] = relationship(back_populates="nodes")
    organization: Mapped["Organization"] = relationship(back_populates="nodes")

    __mapper_args__ = {"polymorphic_identity": "node"}

    @property
    def api_key(self) -> None:
        """Can only be set: the key itself is not kept."""
        raise AttributeError("The API key of a node is not stored, only its digest")

    @api_key.setter
    def api_key(self, value: str) -> None:
        self.api_key_digest = digest_api_key(value)
