"""Tokens for users, nodes and containers."""

from flask import current_app

from vantage6.server.resource.base import Answer, Resource
from vantage6.server.resource.contract import contract
from vantage6.server.schema.token import (
    ContainerTokenInput,
    ContainerTokenOutput,
    NodeLogin,
    NodeTokensOutput,
    RenewedTokensOutput,
    UserLogin,
    UserTokensOutput,
    token_answer,
)
from vantage6.server.service import authentication

TOKEN_HEADER = {"jwt-token": "The access token, once more"}


class UserToken(Resource):
    """Where users log in."""

    route = "/token/user"

    @contract(takes=UserLogin, gives=UserTokensOutput, refusals=(401, 429), headers=TOKEN_HEADER)
    def post(self) -> Answer:
        """Exchange a username and password for tokens."""
        login = self.read()
        tokens = authentication.log_in_user(
            self.database,
            self.login_limit,
            self.address,
            login["username"],
            login["password"],
        )
        return self.answer(*token_answer("user", current_app.config["API_PATH"], **tokens))


class NodeToken(Resource):
    """Where nodes log in."""

    route = "/token/node"

    @contract(takes=NodeLogin, gives=NodeTokensOutput, refusals=(401, 429), headers=TOKEN_HEADER)
    def post(self) -> Answer:
        """Exchange an API key for tokens."""
        login = self.read()
        tokens = authentication.log_in_node(
            self.database, self.login_limit, self.address, login["api_key"]
        )
        return self.answer(*token_answer("node", current_app.config["API_PATH"], **tokens))


class ContainerToken(Resource):
    """Where nodes get the tokens of their containers."""

    route = "/token/container"
    only_reads = True

    @contract(takes=ContainerTokenInput, gives=ContainerTokenOutput)
    def post(self) -> Answer:
        """Make a token for the container that runs the node's part of a task."""
        wanted = self.read()
        made = authentication.container_token(self.session, self.identity, **wanted)
        return self.answer({"container_token": made})


class RefreshedToken(Resource):
    """Where users and nodes stay logged in."""

    route = "/token/refresh"
    takes_refresh_token = True
    only_reads = True

    @contract(gives=RenewedTokensOutput)
    def post(self) -> Answer:
        """Exchange a refresh token for new tokens."""
        return self.answer(authentication.renew(self.session, self.identity))
