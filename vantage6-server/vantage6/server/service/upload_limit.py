"""How many bytes an organization may have in uploads that nothing uses yet.

Whoever may upload could else fill the store for all others, by payloads that belong to no task. A
task that uses them can be seen, and be deleted with them. Users, nodes and algorithms have this
limit each: what some of them leave lying about must not keep the results of others back.
"""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from vantage6.server.exceptions import TooManyRequests
from vantage6.server.model import Node, Organization, Upload, User
from vantage6.server.permission.catalogue import Kind
from vantage6.server.permission.identity import Identity

_WHO = {Kind.USER: "users", Kind.NODE: "nodes", Kind.CONTAINER: "algorithms"}
# Somebody may have used or deleted some by then.
_LATER = {"Retry-After": "60"}


def check_room(session: Session, identity: Identity, size: int, limit: int) -> None:
    """Refuse an upload with which there would be too much; until the transaction ends alone.

    Parameters
    ----------
    session : Session
    identity : Identity
    size : int
        Bytes that it is to have.
    limit : int
        Bytes of all of them.

    Raises
    ------
    TooManyRequests
        So that a node keeps its result, and tries again.
    """
    organization_id = identity.organization_id
    row = select(Organization.id).where(Organization.id == organization_id)
    # Two at once must not both find the last room.
    session.execute(row.with_for_update(key_share=True))
    sender = User if identity.kind is Kind.USER else Node
    of_runs = identity.kind is Kind.CONTAINER
    query = (
        select(func.coalesce(func.sum(Upload.size), 0))
        .join(sender, sender.id == Upload.identity_id)
        .where(
            sender.organization_id == organization_id,
            Upload.result_id.is_not(None) if of_runs else Upload.result_id.is_(None),
        )
    )
    unused = int(session.scalar(query) or 0)
    if unused + size > limit:
        raise TooManyRequests(
            f"The {_WHO[identity.kind]} of your organization have uploads of {unused} bytes that "
            f"nothing uses yet; with these {size} it would be more than the {limit} that the "
            "server allows. Use or delete some of them; what nobody goes on with is forgotten "
            "after a day",
            headers=_LATER,
        )
