"""Tokens for users, nodes and containers."""

from flask import current_app

from vantage6.server.resource.base import Answer, Resource
from vantage6.server.resource.contract import contract
from vantage6.server.schema.answer import MessageOutput
from vantage6.server.schema.token import (
    ContainerTokenInput,
    ContainerTokenOutput,
    EnrolmentOutput,
    FirstTokensOutput,
    NodeLogin,
    NodeTokensOutput,
    RecoveredTokensOutput,
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

    @contract(
        takes=UserLogin,
        gives=(
            UserTokensOutput,
            FirstTokensOutput,
            RecoveredTokensOutput,
            EnrolmentOutput,
            MessageOutput,
        ),
        refusals=(401, 429),
        headers=TOKEN_HEADER,
        sometimes=tuple(TOKEN_HEADER),
    )
    def post(self) -> Answer:
        """Exchange a username and password for tokens."""
        login = self.read()
        answer = authentication.log_in_user(
            self.guard,
            current_app.extensions["second_factors"],
            login["username"],
            login["password"],
            login["mfa_code"],
        )
        if "access_token" not in answer:
            return self.answer(answer)
        return self.answer(*token_answer("user", current_app.config["API_PATH"], **answer))


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

    @contract(gives=RenewedTokensOutput)
    def post(self) -> Answer:
        """Exchange a refresh token for a new access token; itself it is good for longer now."""
        token_id = self.claims.get("jti")
        return self.answer(authentication.renew(self.session, self.identity, token_id))
