"""Users."""

from sqlalchemy import select

from vantage6.server.model import Organization, Permission, User, UserPermission
from vantage6.server.permission.catalogue import Operation
from vantage6.server.resource.base import Answer, Resource
from vantage6.server.resource.contract import Shape, contract
from vantage6.server.resource.filter import equal, like, since, until, where
from vantage6.server.schema.answer import MessageOutput
from vantage6.server.schema.user import UserChange, UserInput, UserOutput
from vantage6.server.service import password
from vantage6.server.service import user as service

FILTERS = {
    "username": like(User.username),
    "firstname": like(User.firstname),
    "lastname": like(User.lastname),
    "email": like(User.email),
    "organization_id": equal(User.organization_id),
    "role_id": where(
        lambda id_: User.id.in_(select(Permission.c.user_id).where(Permission.c.role_id == id_))
    ),
    "rule_id": where(
        lambda id_: User.id.in_(
            select(UserPermission.c.user_id).where(UserPermission.c.rule_id == id_)
        )
    ),
    "last_seen_from": since(User.last_seen),
    "last_seen_till": until(User.last_seen),
}


class Users(Resource):
    """All users."""

    route = "/user"

    @contract(gives=UserOutput, shape=Shape.PAGE, filters=FILTERS)
    def get(self) -> Answer:
        """List the users that the caller may see."""
        self.require(Operation.VIEW, User)
        return self.page(self.filtered(self.visible(select(User))))

    @contract(takes=UserInput, gives=UserOutput, status=201, refusals=(404,))
    def post(self) -> Answer:
        """Create a user."""
        self.require(Operation.CREATE, User)
        values = self.read()
        values.setdefault("organization_id", self.identity.organization_id)
        self.require(Operation.CREATE, User, values["organization_id"])
        password.check_policy(values["password"])
        # Before the first look into the database: others cannot write while we hash.
        values["password_hash"] = password.hash_password(values.pop("password"))
        self.load_any(Organization, values["organization_id"])
        user = service.create(self.session, self.identity, values)
        return self.show(user)


class OneUser(Resource):
    """One user."""

    route = "/user/<id>"

    @contract(gives=UserOutput)
    def get(self, id: int) -> Answer:
        """Show a user."""
        return self.show(self.load(Operation.VIEW, User, id))

    @contract(takes=UserChange, partial=True, gives=UserOutput)
    def patch(self, id: int) -> Answer:
        """Change a user."""
        user = self.load(Operation.EDIT, User, id)
        values = self.read()
        service.change(self.session, self.identity, user, values)
        return self.show(user)

    @contract(gives=MessageOutput)
    def delete(self, id: int) -> Answer:
        """Delete a user."""
        service.delete(self.session, self.identity, self.load(Operation.DELETE, User, id))
        return self.say(f"User {id} is deleted")
