"""Where nodes ask for a private network between containers, which this server does not have yet."""

from typing import NoReturn

from flask import current_app

from vantage6.server.exceptions import NotAvailable
from vantage6.server.resource.base import Resource
from vantage6.server.resource.contract import contract
from vantage6.server.schema.vpn import VpnConfigInput, VpnConfigOutput


class VpnConfig(Resource):
    """The configuration of the private network."""

    route = "/vpn"
    only_reads = True

    @contract(gives=VpnConfigOutput, refusals=(501,))
    def get(self) -> NoReturn:
        """Get what a node needs to take part."""
        raise _not_available()


class VpnConfigUpdate(Resource):
    """New keys for the private network."""

    route = "/vpn/update"
    takes_data = True
    only_reads = True

    @contract(takes=VpnConfigInput, gives=VpnConfigOutput, refusals=(501,))
    def post(self) -> NoReturn:
        """Replace the keys of a node."""
        self.read()
        raise _not_available()


def _not_available() -> NotAvailable:
    if current_app.config["HAS_VPN_SERVER"]:
        return NotAvailable("This server cannot use the `vpn_server` of its configuration yet")
    return NotAvailable("This server has no VPN")
