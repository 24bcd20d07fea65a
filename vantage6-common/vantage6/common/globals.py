"""Names and defaults that every part agrees on."""

APPNAME = "vantage6"
STRING_ENCODING = "utf-8"

# Our images are built from this repository (`make images`); a house with a registry of its
# own puts its address in front, in the configuration.
DEFAULT_DOCKER_REGISTRY = "vantage6"
DEFAULT_NODE_IMAGE = "infrastructure-node"
DEFAULT_SERVER_IMAGE = "infrastructure-server"
VPN_CONFIG_FILE = "vpn-config.ovpn.conf"
