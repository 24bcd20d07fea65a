from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from vantage6.server.model.base import Model, now


class Blob(Model):
    """A large payload in the payload store; results with the same content share one."""

    __tablename__ = "blob"

    # SHA-256 of its bytes, in hexadecimal digits.
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    size: Mapped[int] = mapped_column(BigInteger)
    # "text" as it would stand in the database, or "binary": an envelope in its binary form.
    form: Mapped[str] = mapped_column(String(16))
    # Bytes of its text form, which is what stands in the place of a payload in JSON.
    text_size: Mapped[int] = mapped_column(BigInteger)
    # Whether it is an envelope.
    encrypted: Mapped[bool]
    # What the store knows it by; never used again for other content.
    name: Mapped[str] = mapped_column(String(255), unique=True)
    stored_at: Mapped[datetime] = mapped_column(default=now)
