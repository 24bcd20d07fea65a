"""Staying logged in: what is known of the refresh tokens that were given out.

A classic node keeps the first refresh token it ever got. So the token itself has no end: the
database says until when it is good, and each use prolongs that.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, update
from sqlalchemy.orm import Session

from vantage6.server.database import delete_unheld
from vantage6.server.exceptions import Unauthorized
from vantage6.server.model import RefreshToken
from vantage6.server.model.base import now
from vantage6.server.permission.catalogue import Kind

LIFE = {Kind.USER: timedelta(hours=48), Kind.NODE: timedelta(days=30)}


def begin(session: Session, kind: Kind, identity_id: int, *, at: datetime | None = None) -> str:
    """Note that a user or node gets a refresh token; the id that is to stand in it."""
    at = at or now()
    delete_unheld(session, RefreshToken, RefreshToken.expires_at <= at)
    token_id = str(uuid.uuid4())
    session.add(
        RefreshToken(token_id=token_id, identity_id=identity_id, expires_at=at + LIFE[kind])
    )
    session.flush()
    return token_id


def extend(
    session: Session, kind: Kind, identity_id: int, token_id: Any, *, at: datetime | None = None
) -> None:
    """Let a refresh token be good for as long again, from now on.

    Raises
    ------
    Unauthorized
        When its time is over, or it was revoked.
    """
    at = at or now()
    found = session.execute(
        update(RefreshToken)
        .where(
            RefreshToken.token_id == str(token_id),
            RefreshToken.identity_id == identity_id,
            RefreshToken.expires_at > at,
        )
        .values(expires_at=at + LIFE[kind])
        .execution_options(synchronize_session=False)
    )
    assert isinstance(found, CursorResult)
    if not found.rowcount:
        raise Unauthorized("The refresh token is no longer valid; log in again")
