"""Nodes: where one can stand, and its API key."""

import uuid

from sqlalchemy import select
from sqlalchemy.orm import Session

from vantage6.server.exceptions import BadRequest
from vantage6.server.model import Collaboration, Member, Node, Organization
from vantage6.server.service import event


def create(
    session: Session, organization: Organization, collaboration: Collaboration, name: str | None
) -> tuple[Node, str]:
    """A new node with its API key, which nobody can read again later."""
    check_place(session, organization.id, collaboration.id)
    api_key = new_api_key()
    node = Node(
        name=name or f"{organization.name} - {collaboration.name} Node",
        organization=organization,
        collaboration=collaboration,
        api_key=api_key,
    )
    session.add(node)
    session.flush()
    return node, api_key


def check_place(
    session: Session, organization_id: int, collaboration_id: int, node: Node | None = None
) -> None:
    """Raise BadRequest unless an organization can have this node, or a new one, there."""
    is_member = session.scalar(
        select(Member.c.organization_id).where(
            Member.c.organization_id == organization_id,
            Member.c.collaboration_id == collaboration_id,
        )
    )
    if is_member is None:
        raise not_a_member()
    there = session.scalar(
        select(Node.id).where(
            Node.organization_id == organization_id, Node.collaboration_id == collaboration_id
        )
    )
    if there is not None and (node is None or there != node.id):
        raise BadRequest("The organization has a node in the collaboration already")


def move(session: Session, node: Node, organization_id: int, collaboration_id: int | None) -> None:
    """Give a node another place; it connects anew to learn of it."""
    if (organization_id, collaboration_id) == (node.organization_id, node.collaboration_id):
        return
    if collaboration_id is not None:
        check_place(session, organization_id, collaboration_id, node)
    node.organization_id, node.collaboration_id = organization_id, collaboration_id
    event.record(session, event.credentials_changed(node.id))


def reset_api_key(session: Session, node: Node) -> str:
    """A new API key; the old one and all tokens that came from it are void."""
    node.api_key = api_key = new_api_key()
    node.revoke_tokens()
    event.record(session, event.credentials_changed(node.id))
    return api_key


def delete(session: Session, node: Node) -> None:
    """Delete a node; the results of its organization stay."""
    event.record(session, event.credentials_changed(node.id))
    session.delete(node)


def not_a_member() -> BadRequest:
    """The refusal of a node where its organization does not take part."""
    return BadRequest("The organization is not in the collaboration")


def new_api_key() -> str:
    """A random API key, in the form that the configuration of nodes knows."""
    return str(uuid.uuid4())
