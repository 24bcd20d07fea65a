"""What is to happen once a transaction is committed, and never when it is rolled back."""

import logging
from collections.abc import Callable

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction, scoped_session, sessionmaker

log = logging.getLogger(__name__)

Action = Callable[[], None]
# One session, or what makes them.
Sessions = Session | sessionmaker[Session] | scoped_session[Session]

_WAITING = "vantage6_after_commit"


def after(session: Session, action: Action) -> None:
    """Do something when the outermost transaction of a session is committed.

    Actions are done in the order in which they came. What came within a savepoint is forgotten
    with that savepoint.
    """
    waiting = session.info.setdefault(_WAITING, [])
    waiting.append((session.get_nested_transaction(), action))


def attach(sessions: Sessions) -> None:
    """Do what waits on a session, or those of a factory; without it nothing is ever done."""
    event.listen(sessions, "after_commit", _after_commit)
    event.listen(sessions, "after_soft_rollback", _after_rollback)


def _after_commit(session: Session) -> None:
    if session.in_nested_transaction():
        return
    for _, action in session.info.pop(_WAITING, []):
        try:
            action()
        except Exception:
            # The transaction is committed: a failure to tell of it must not become an error of
            # the request, and the others are still to be told.
            log.exception("What follows a committed transaction could not be done")


def _after_rollback(session: Session, transaction: SessionTransaction) -> None:
    """Forget what waits for what was rolled back: a savepoint, or everything."""
    # A failed flush is rolled back as a transaction of its own, and what encloses it with it.
    while not transaction.nested and transaction.parent is not None:
        transaction = transaction.parent
    waiting = session.info.pop(_WAITING, [])
    if transaction.nested:
        session.info[_WAITING] = [
            (savepoint, action)
            for savepoint, action in waiting
            if not _is_within(savepoint, transaction)
        ]


def _is_within(inner: SessionTransaction | None, outer: SessionTransaction) -> bool:
    while inner is not None and inner is not outer:
        inner = inner.parent
    return inner is outer
