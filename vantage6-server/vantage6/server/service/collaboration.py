"""Who takes part in a collaboration, and with which nodes."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from vantage6.server.exceptions import BadRequest
from vantage6.server.model import Collaboration, Node, Organization
from vantage6.server.service import event


def check_name(session: Session, name: str, besides: int | None = None) -> None:
    """Raise BadRequest when another collaboration has this name."""
    taken = session.scalar(select(Collaboration.id).where(Collaboration.name == name))
    if taken not in (None, besides):
        raise BadRequest(f"There is a collaboration {name!r} already", {"name": ["Taken already."]})


def load_organizations(session: Session, ids: Sequence[int]) -> list[Organization]:
    """The organizations with these ids; BadRequest names those that do not exist."""
    found = session.scalars(
        select(Organization).where(Organization.id.in_(ids)).order_by(Organization.id)
    ).all()
    unknown = sorted(set(ids) - {organization.id for organization in found})
    if unknown:
        message = f"There is no organization {', '.join(map(str, unknown))}"
        raise BadRequest(message, {"organization_ids": [message]})
    return list(found)


def set_members(
    session: Session, collaboration: Collaboration, members: Sequence[Organization]
) -> None:
    """Let these organizations, and no others, take part."""
    for organization in set(collaboration.organizations) - set(members):
        remove_member(session, collaboration, organization)
    for organization in members:
        if organization not in collaboration.organizations:
            collaboration.organizations.append(organization)


def remove_member(
    session: Session, collaboration: Collaboration, organization: Organization
) -> None:
    """Take an organization out of a collaboration; its node there gets no more tasks."""
    collaboration.organizations.remove(organization)
    node = session.scalar(
        select(Node).where(
            Node.organization_id == organization.id, Node.collaboration_id == collaboration.id
        )
    )
    if node:
        node.collaboration_id = None
        event.record(session, event.credentials_changed(node.id))


def delete(session: Session, collaboration: Collaboration) -> None:
    """Delete a collaboration with its nodes and tasks."""
    for node in collaboration.nodes:
        event.record(session, event.credentials_changed(node.id))
    session.delete(collaboration)
