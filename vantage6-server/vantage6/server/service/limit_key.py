"""Under what attempts and mails are counted: no name and no address is kept for it."""

import hashlib
from ipaddress import IPv6Network, ip_address


def key_of(*parts: str) -> str:
    """The key of what these parts name together."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def origin(address: str) -> str:
    """An address; of those of version 6 the network, since everybody has all of one to himself."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        # What a proxy tells need not be an address.
        return address
    if parsed.version == 4 or parsed.ipv4_mapped:
        return address
    return str(IPv6Network((parsed, 64), strict=False))
