"""Nodes, and new API keys for them."""

from typing import Any

from sqlalchemy import select

from vantage6.server.exceptions import Forbidden, NotFound
from vantage6.server.model import Collaboration, Member, Node, Organization
from vantage6.server.permission.catalogue import Kind, Operation, Scope
from vantage6.server.resource.base import Answer, Resource
from vantage6.server.resource.contract import Shape, contract
from vantage6.server.resource.filter import equal, like, since, text, until
from vantage6.server.schema.answer import MessageOutput
from vantage6.server.schema.node import (
    ApiKeyOutput,
    NewNodeOutput,
    NodeChange,
    NodeInput,
    NodeOutput,
    NodeReference,
)
from vantage6.server.service import node as service

FILTERS = {
    "name": like(Node.name),
    "organization_id": equal(Node.organization_id),
    "collaboration_id": equal(Node.collaboration_id),
    "status": equal(Node.status, text),
    "ip": equal(Node.ip, text),
    "last_seen_from": since(Node.last_seen),
    "last_seen_till": until(Node.last_seen),
}


class NodeResource(Resource):
    """What the resources of nodes share: a question about the caller."""

    def does_to_any(self, operation: Operation) -> bool:
        """Whether the caller may do something to the nodes of every organization."""
        return Scope.GLOBAL in self.identity.scopes("node", operation)


class Nodes(NodeResource):
    """All nodes."""

    route = "/node"

    @contract(gives=NodeOutput, shape=Shape.PAGE, filters=FILTERS)
    def get(self) -> Answer:
        """List the nodes that the caller may see."""
        return self.page(self.filtered(self.visible(select(Node))))

    @contract(takes=NodeInput, gives=NewNodeOutput, status=201, refusals=(404,))
    def post(self) -> Answer:
        """Create a node; only this answer holds its API key."""
        self.require(Operation.CREATE, Node)
        values = self.read()
        organization_id = values.get("organization_id", self.identity.organization_id)
        self.require(Operation.CREATE, Node, organization_id)
        collaboration = self.session.get(Collaboration, values["collaboration_id"])
        if collaboration is None and self.does_to_any(Operation.CREATE):
            raise NotFound(f"There is no collaboration {values['collaboration_id']}")
        organization = self.session.get(Organization, organization_id)
        if collaboration is None or organization is None:
            # What does not exist is in nothing, and has nothing in it.
            raise service.not_a_member()
        node, api_key = service.create(
            self.session, organization, collaboration, values.get("name")
        )
        return self.answer({**self.output().dump(node), "api_key": api_key})


class OneNode(NodeResource):
    """One node."""

    route = "/node/<id>"

    @contract(gives=NodeOutput)
    def get(self, id: int) -> Answer:
        """Show a node."""
        return self.show(self.load(Operation.VIEW, Node, id))

    @contract(takes=NodeChange, partial=True, gives=NodeOutput)
    def patch(self, id: int) -> Answer:
        """Change a node, or move it to another organization or collaboration."""
        node = self.load(Operation.EDIT, Node, id)
        values = self.read()
        if self.identity.kind is Kind.NODE:
            self._check_is_own(node, values)
        organization_id = values.pop("organization_id", 0) or node.organization_id
        collaboration_id = values.pop("collaboration_id", 0) or node.collaboration_id
        if organization_id != node.organization_id:
            self._check_organization(organization_id)
        if collaboration_id and collaboration_id != node.collaboration_id:
            self._check_collaboration(collaboration_id)
        service.move(self.session, node, organization_id, collaboration_id)
        node.update({name: value for name, value in values.items() if name != "ip" or value})
        self.session.flush()
        return self.show(node)

    @contract(gives=MessageOutput)
    def delete(self, id: int) -> Answer:
        """Delete a node."""
        service.delete(self.session, self.load(Operation.DELETE, Node, id))
        return self.say(f"Node {id} is deleted")

    def _check_is_own(self, node: Node, values: dict[str, Any]) -> None:
        """A node tells of itself only; its place is for people to decide."""
        place = (values.get("organization_id"), values.get("collaboration_id"))
        stays = place[0] in (None, 0, node.organization_id)
        stays = stays and place[1] in (None, 0, node.collaboration_id)
        if node.id != self.identity.id or not stays:
            raise Forbidden("A node may change only itself, and not its place")

    def _check_organization(self, organization_id: int) -> None:
        """Only who may edit any node may give one to another organization."""
        if not self.does_to_any(Operation.EDIT):
            raise Forbidden("You are not allowed to give this node to another organization")
        self.load_any(Organization, organization_id)

    def _check_collaboration(self, collaboration_id: int) -> None:
        """Who edits only the own nodes may move them to the own collaborations."""
        if self.does_to_any(Operation.EDIT):
            self.load_any(Collaboration, collaboration_id)
            return
        own = select(Member.c.collaboration_id).where(
            Member.c.organization_id == self.identity.organization_id,
            Member.c.collaboration_id == collaboration_id,
        )
        if self.session.scalar(own) is None:
            raise Forbidden("Your organization is not in this collaboration")


class NodeRecovery(Resource):
    """Where nodes that lost their API key get a new one."""

    route = "/recover/node"

    @contract(takes=NodeReference, gives=ApiKeyOutput, refusals=(404,))
    def post(self) -> Answer:
        """Give a node a new API key; the old one, and its tokens, are void."""
        node = self.load(Operation.EDIT, Node, self.read()["id"])
        return self.answer({"api_key": service.reset_api_key(self.session, node)})
