"""Organizations. The exemplar: what a resource looks like when nothing about it is special."""

from sqlalchemy import select

from vantage6.server.model import Collaboration, Member, Node, Organization
from vantage6.server.permission.catalogue import Operation
from vantage6.server.resource.base import Answer, Resource
from vantage6.server.resource.collaboration import EXCLUDES
from vantage6.server.resource.contract import Shape, contract
from vantage6.server.resource.filter import equal, like, text, where
from vantage6.server.schema.collaboration import CollaborationOutput
from vantage6.server.schema.node import NodeOutput
from vantage6.server.schema.organization import OrganizationInput, OrganizationOutput

FILTERS = {
    "name": like(Organization.name),
    "country": equal(Organization.country, text),
    "collaboration_id": where(
        lambda id_: Organization.id.in_(
            select(Member.c.organization_id).where(Member.c.collaboration_id == id_)
        )
    ),
}


class Organizations(Resource):
    """All organizations."""

    route = "/organization"

    @contract(gives=OrganizationOutput, shape=Shape.PAGE, filters=FILTERS, refusals=(404,))
    def get(self) -> Answer:
        """List the organizations that the caller may see."""
        query = self.filtered(self.visible(select(Organization)))
        self.check_filter("collaboration_id", Collaboration)
        return self.page(query)

    @contract(takes=OrganizationInput, gives=OrganizationOutput, status=201)
    def post(self) -> Answer:
        """Create an organization."""
        self.require(Operation.CREATE, Organization)
        organization = Organization(**self.read())
        self.session.add(organization)
        self.session.flush()
        return self.show(organization)


class OneOrganization(Resource):
    """One organization."""

    route = "/organization/<id>"

    @contract(gives=OrganizationOutput)
    def get(self, id: int) -> Answer:
        """Show an organization."""
        return self.show(self.load(Operation.VIEW, Organization, id))

    @contract(takes=OrganizationInput, partial=True, gives=OrganizationOutput)
    def patch(self, id: int) -> Answer:
        """Change an organization."""
        organization = self.load(Operation.EDIT, Organization, id)
        organization.update(self.read())
        return self.show(organization)


class OrganizationCollaborations(Resource):
    """The collaborations of one organization."""

    route = "/organization/<id>/collaboration"

    @contract(gives=CollaborationOutput, shape=Shape.PAGE, arguments=EXCLUDES)
    def get(self, id: int) -> Answer:
        """List the collaborations that an organization is in."""
        self.require(Operation.VIEW, Collaboration, organization_id=id)
        organization = self.load_any(Organization, id)
        return self.page(
            select(Collaboration).where(Collaboration.organizations.contains(organization))
        )


class OrganizationNodes(Resource):
    """The nodes of one organization."""

    route = "/organization/<id>/node"

    @contract(gives=NodeOutput, shape=Shape.PAGE)
    def get(self, id: int) -> Answer:
        """List the nodes of an organization."""
        self.require(Operation.VIEW, Node, organization_id=id)
        self.load_any(Organization, id)
        return self.page(select(Node).where(Node.organization_id == id))
