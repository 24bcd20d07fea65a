"""Organizations. The exemplar: what a resource looks like when nothing about it is special."""

from sqlalchemy import select

from vantage6.server.model import Collaboration, Member, Node, Organization
from vantage6.server.permission.catalogue import Operation
from vantage6.server.resource.base import Answer, Resource
from vantage6.server.resource.filter import equal, like, where
from vantage6.server.schema.collaboration import CollaborationOutput
from vantage6.server.schema.node import NodeOutput
from vantage6.server.schema.organization import OrganizationInput, OrganizationOutput

FILTERS = {
    "name": like(Organization.name),
    "country": equal(Organization.country, str),
    "collaboration_id": where(
        lambda id_: Organization.id.in_(
            select(Member.c.organization_id).where(Member.c.collaboration_id == id_)
        )
    ),
}


class Organizations(Resource):
    """All organizations."""

    route = "/organization"

    def get(self) -> Answer:
        """List the organizations that the caller may see."""
        query = self.filtered(self.visible(select(Organization)), FILTERS)
        self.check_filter("collaboration_id", Collaboration)
        return self.page(query, OrganizationOutput(self.session, self.identity))

    def post(self) -> Answer:
        """Create an organization."""
        self.require(Operation.CREATE, Organization)
        organization = Organization(**self.read(OrganizationInput()))
        self.session.add(organization)
        self.session.flush()
        return OrganizationOutput(self.session, self.identity).dump(organization), 201


class OneOrganization(Resource):
    """One organization."""

    route = "/organization/<id>"

    def get(self, id: int) -> Answer:
        """Show an organization."""
        organization = self.load(Operation.VIEW, Organization, id)
        return OrganizationOutput(self.session, self.identity).dump(organization), 200

    def patch(self, id: int) -> Answer:
        """Change an organization."""
        organization = self.load(Operation.EDIT, Organization, id)
        organization.update(self.read(OrganizationInput(), partial=True))
        return OrganizationOutput(self.session, self.identity).dump(organization), 200


class OrganizationCollaborations(Resource):
    """The collaborations of one organization."""

    route = "/organization/<id>/collaboration"

    def get(self, id: int) -> Answer:
        """List the collaborations that an organization is in."""
        self.require(Operation.VIEW, Collaboration, organization_id=id)
        organization = self.load_any(Organization, id)
        query = select(Collaboration).where(Collaboration.organizations.contains(organization))
        return self.page(query, CollaborationOutput(self.session, self.identity))


class OrganizationNodes(Resource):
    """The nodes of one organization."""

    route = "/organization/<id>/node"

    def get(self, id: int) -> Answer:
        """List the nodes of an organization."""
        self.require(Operation.VIEW, Node, organization_id=id)
        self.load_any(Organization, id)
        return self.page(
            select(Node).where(Node.organization_id == id), NodeOutput(self.session, self.identity)
        )
