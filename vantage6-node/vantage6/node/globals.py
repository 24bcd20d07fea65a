"""Names and figures of the node that more than one module needs."""

from vantage6.common import __version__
from vantage6.common.globals import DEFAULT_DOCKER_REGISTRY

RELAY_IMAGE = f"{DEFAULT_DOCKER_REGISTRY}/infrastructure-relay:{__version__}"

# What an algorithm is told about its way out; see `runner/sandbox.py`.
PROXY_HOST = "proxyserver"
PROXY_PORT = 80
SOCKET_NAME = "proxy.sock"
# Where a relay looks for what else to listen on.
RELAY_CONTROL = "control.sock"
