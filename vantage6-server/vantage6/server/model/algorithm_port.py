from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from vantage6.server.model.base import Model

if TYPE_CHECKING:
    from vantage6.server.model.result import Result


class AlgorithmPort(Model):
    """A port at which the container of a run can be reached by others, over the VPN."""

    __tablename__ = "algorithmport"

    port: Mapped[int]
    result_id: Mapped[int] = mapped_column(ForeignKey("result.id", ondelete="CASCADE"), index=True)
    label: Mapped[str | None]

    @classmethod
    def resource(cls) -> str:
        """The table has a longer name than the resource."""
        return "port"

    result: Mapped["Result"] = relationship(back_populates="ports")
