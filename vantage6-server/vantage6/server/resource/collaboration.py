"""Collaborations, with their organizations, nodes and tasks."""

from dataclasses import replace

from sqlalchemy import Select, select

from vantage6.server.exceptions import BadRequest, Forbidden
from vantage6.server.model import Collaboration, Member, Node, Organization, Task
from vantage6.server.permission.catalogue import Operation
from vantage6.server.resource.base import EXCLUDE, Answer, Resource
from vantage6.server.resource.contract import Shape, contract
from vantage6.server.resource.filter import boolean, equal, like, one_of, where
from vantage6.server.schema.answer import MessageOutput
from vantage6.server.schema.collaboration import (
    CollaborationChange,
    CollaborationInput,
    CollaborationOutput,
    ReferenceInput,
)
from vantage6.server.schema.node import NodeInCollaborationOutput
from vantage6.server.schema.organization import OrganizationOutput
from vantage6.server.schema.task import TaskOutput
from vantage6.server.service import collaboration as service
from vantage6.server.service import node as node_service

FILTERS = {
    "name": like(Collaboration.name),
    "encrypted": equal(Collaboration.encrypted, boolean),
    "organization_id": where(
        lambda id_: Collaboration.id.in_(
            select(Member.c.collaboration_id).where(Member.c.organization_id == id_)
        )
    ),
}

EXCLUDES = {
    EXCLUDE: replace(
        one_of(*CollaborationOutput.excludable), description="What the answer leaves out."
    )
}


class Collaborations(Resource):
    """All collaborations."""

    route = "/collaboration"

    @contract(gives=CollaborationOutput, shape=Shape.PAGE, filters=FILTERS, arguments=EXCLUDES)
    def get(self) -> Answer:
        """List the collaborations that the caller may see."""
        query = self.filtered(self.visible(select(Collaboration)))
        for organization_id in self.filter_values("organization_id"):
            self.require(Operation.VIEW, Collaboration, organization_id)
        return self.page(query)

    @contract(takes=CollaborationInput, gives=CollaborationOutput)
    def post(self) -> Answer:
        """Create a collaboration."""
        self.require(Operation.CREATE, Collaboration)
        values = self.read()
        service.check_name(self.session, values["name"])
        collaboration = Collaboration(
            name=values["name"],
            encrypted=values["encrypted"],
            retention_days=values["retention_days"],
            organizations=service.load_organizations(self.session, values["organization_ids"]),
        )
        self.session.add(collaboration)
        self.session.flush()
        return self.show(collaboration)


class OneCollaboration(Resource):
    """One collaboration."""

    route = "/collaboration/<id>"

    @contract(gives=CollaborationOutput, arguments=EXCLUDES)
    def get(self, id: int) -> Answer:
        """Show a collaboration."""
        return self.show(self.load(Operation.VIEW, Collaboration, id))

    @contract(takes=CollaborationChange, partial=True, gives=CollaborationOutput)
    def patch(self, id: int) -> Answer:
        """Change a collaboration."""
        collaboration = self.load(Operation.EDIT, Collaboration, id)
        values = self.read()
        if "name" in values:
            service.check_name(self.session, values["name"], besides=id)
        if "organization_ids" in values:
            members = service.load_organizations(self.session, values.pop("organization_ids"))
            service.set_members(self.session, collaboration, members)
        collaboration.update(values)
        self.session.flush()
        return self.show(collaboration)

    @contract(gives=MessageOutput)
    def delete(self, id: int) -> Answer:
        """Delete a collaboration with its nodes and tasks."""
        service.delete(self.session, self.load(Operation.DELETE, Collaboration, id))
        return self.say(f"Collaboration {id} is deleted")


class CollaborationOrganizations(Resource):
    """The organizations of one collaboration."""

    route = "/collaboration/<id>/organization"

    @contract(gives=OrganizationOutput, shape=Shape.PAGE)
    def get(self, id: int) -> Answer:
        """List the organizations of a collaboration."""
        self.load(Operation.VIEW, Collaboration, id)
        return self.page(_members(id))

    @contract(takes=ReferenceInput, gives=OrganizationOutput, shape=Shape.ALL)
    def post(self, id: int) -> Answer:
        """Add an organization to a collaboration."""
        collaboration = self.load(Operation.EDIT, Collaboration, id)
        organization = self.load_any(Organization, self.read()["id"])
        if organization not in collaboration.organizations:
            collaboration.organizations.append(organization)
        return self._all(id)

    @contract(takes=ReferenceInput, gives=OrganizationOutput, shape=Shape.ALL)
    def delete(self, id: int) -> Answer:
        """Take an organization out of a collaboration."""
        collaboration = self._load_for_removal(id)
        organization = self.load_any(Organization, self.read()["id"])
        if organization not in collaboration.organizations:
            raise BadRequest(f"Organization {organization.id} is not in collaboration {id}")
        service.remove_member(self.session, collaboration, organization)
        return self._all(id)

    def _load_for_removal(self, id: int) -> Collaboration:
        """The right to edit is enough by the documentation, that to delete by the classic code."""
        try:
            return self.load(Operation.EDIT, Collaboration, id)
        except Forbidden:
            return self.load(Operation.DELETE, Collaboration, id)

    def _all(self, id: int) -> Answer:
        self.session.flush()
        return self.show(self.session.scalars(_members(id).order_by(Organization.id)))


class CollaborationNodes(Resource):
    """The nodes of one collaboration."""

    route = "/collaboration/<id>/node"

    @contract(gives=NodeInCollaborationOutput, shape=Shape.PAGE)
    def get(self, id: int) -> Answer:
        """List the nodes of a collaboration."""
        self.load(Operation.VIEW, Collaboration, id)
        return self.page(select(Node).where(Node.collaboration_id == id))

    @contract(takes=ReferenceInput, gives=NodeInCollaborationOutput, shape=Shape.ALL, status=201)
    def post(self, id: int) -> Answer:
        """Move a node to a collaboration."""
        self.load(Operation.EDIT, Collaboration, id)
        node = self.load_any(Node, self.read()["id"])
        if node.collaboration_id == id:
            raise BadRequest(f"Node {node.id} is in collaboration {id} already")
        node_service.move(self.session, node, node.organization_id, id)
        self.session.flush()
        query = select(Node).where(Node.collaboration_id == id).order_by(Node.id)
        return self.show(self.session.scalars(query))

    @contract(takes=ReferenceInput, gives=MessageOutput)
    def delete(self, id: int) -> Answer:
        """Take a node out of a collaboration."""
        self.load(Operation.EDIT, Collaboration, id)
        node = self.load_any(Node, self.read()["id"])
        if node.collaboration_id != id:
            raise BadRequest(f"Node {node.id} is not in collaboration {id}")
        node_service.move(self.session, node, node.organization_id, None)
        return self.say(f"Node {node.id} is no longer in collaboration {id}")


class CollaborationTasks(Resource):
    """The tasks of one collaboration."""

    route = "/collaboration/<id>/task"

    @contract(gives=TaskOutput, shape=Shape.PAGE)
    def get(self, id: int) -> Answer:
        """List the tasks of a collaboration."""
        self.load(Operation.VIEW, Collaboration, id, by=Task)
        return self.page(self.visible(select(Task).where(Task.collaboration_id == id)))


def _members(collaboration_id: int) -> Select[Organization]:
    return select(Organization).where(
        Organization.id.in_(
            select(Member.c.organization_id).where(Member.c.collaboration_id == collaboration_id)
        )
    )
