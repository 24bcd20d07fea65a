"""Tokens for users, nodes and containers."""

from flask import current_app

from vantage6.server.resource.base import Answer, Resource
from vantage6.server.schema.token import (
    ContainerTokenInput,
    NodeLogin,
    UserLogin,
    token_answer,
)
from vantage6.server.service import authentication


class UserToken(Resource):
    """Where users log in."""

    route = "/token/user"

    def post(self) -> Answer:
        """Exchange a username and password for tokens."""
        login = self.read(UserLogin())
        tokens = authentication.log_in_user(
            self.database,
            self.login_limit,
            self.address,
            login["username"],
            login["password"],
        )
        return token_answer("user", current_app.config["API_PATH"], **tokens)


class NodeToken(Resource):
    """Where nodes log in."""

    route = "/token/node"

    def post(self) -> Answer:
        """Exchange an API key for tokens."""
        login = self.read(NodeLogin())
        tokens = authentication.log_in_node(
            self.database, self.login_limit, self.address, login["api_key"]
        )
        return token_answer("node", current_app.config["API_PATH"], **tokens)


class ContainerToken(Resource):
    """Where nodes get the tokens of their containers."""

    route = "/token/container"
    only_reads = True

    def post(self) -> Answer:
        """Make a token for the container that runs the node's part of a task."""
        wanted = self.read(ContainerTokenInput())
        made = authentication.container_token(self.session, self.identity, **wanted)
        return {"container_token": made}, 200


class RefreshedToken(Resource):
    """Where users and nodes stay logged in."""

    route = "/token/refresh"
    takes_refresh_token = True
    only_reads = True

    def post(self) -> Answer:
        """Exchange a refresh token for new tokens."""
        return authentication.renew(self.session, self.identity), 200
