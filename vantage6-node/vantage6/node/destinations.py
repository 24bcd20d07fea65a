"""What a run may connect to, as the owner listed it; pure functions.

A destination is one port of one host. The container knows the host by a name, which its
/etc/hosts leads to an address of its own loopback interface, where the relay listens on the
allowed ports alone. Names stay as they were written, so that certificates match. Addresses are
not names, and cannot be reached from a network without an interface: in a URI they are replaced
by a name, see `name_of`.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from vantage6.node.globals import PROXY_HOST

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Where servers listen if the address does not say so. What is before a `+` is looked up too.
DEFAULT_PORTS = {
    "http": 80,
    "https": 443,
    "postgresql": 5432,
    "postgres": 5432,
    "mysql": 3306,
    "mariadb": 3306,
    "mssql": 1433,
    "sqlserver": 1433,
    "oracle": 1521,
    "mongodb": 27017,
    "redis": 6379,
    "clickhouse": 8123,
    "neo4j": 7687,
    "bolt": 7687,
    "monetdb": 50000,
    "vertica": 5433,
}
_LOCALHOST = "localhost"
_RESERVED = {PROXY_HOST, _LOCALHOST}
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?")
_PREFIX = re.compile(r"(?:jdbc:)?([A-Za-z][A-Za-z0-9.-]*)(?:\+[A-Za-z0-9_.-]+)?:")
# After the scheme: `//` as everywhere, or `@` as in `jdbc:oracle:thin:@host:1521:name`
_AUTHORITY = re.compile(r"(?:[a-z]+:)?(?://|@(?://)?)([^/?#;]*)")
_HOST_AND_PORT = re.compile(r"(\[[^\]]*\]|[^:]*)(?::(\d*)(?::.*)?)?")
# The first address that a name gets in the network of a run; the relay's port 80 is on the one
# before it.
_FIRST = ipaddress.IPv4Address("127.0.0.2")
_MOST_NAMES = 250

# Where clouds hand out credentials to whoever can ask; not all of them are link-local.
_METADATA = {
    ipaddress.ip_address(address)
    for address in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16")
}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class NoDestination(ValueError):
    """A text names nothing that can be connected to; the message says why."""


@dataclass(frozen=True)
class Destination:
    """One port of one host that a run may connect to.

    Attributes
    ----------
    host : str
        As the owner wrote it; of a service the name of its container.
    port : int
    name : str
        What the container calls the host.
    purpose : str
        What it is, in words that the researcher may read.
    is_service : bool
        Whether `host` is a container of this machine.
    """

    host: str
    port: int
    name: str
    purpose: str
    is_service: bool = False


@dataclass(frozen=True)
class Line:
    """A destination, and the address in the network of the run that leads to it."""

    address: str
    destination: Destination


def lay_out(destinations: Iterable[Destination]) -> tuple[Line, ...]:
    """Give each name an address of its own; of two for one name and port the first counts.

    Raises
    ------
    NoDestination
        When there are too many.
    """
    addresses: dict[str, str] = {}
    lines: dict[tuple[str, int], Line] = {}
    for destination in destinations:
        name = destination.name.lower()
        address = addresses.setdefault(name, str(_FIRST + len(addresses)))
        lines.setdefault((name, destination.port), Line(address, destination))
    if len(addresses) > _MOST_NAMES:
        raise NoDestination(f"More than {_MOST_NAMES} hosts cannot be reached from one run")
    return tuple(lines.values())


def host_names(lines: Iterable[Line]) -> dict[str, str]:
    """What goes into /etc/hosts of the run: the address of each name."""
    return {line.destination.name: line.address for line in lines}


def name_of(host: str) -> str:
    """What a container calls a host: its name; for an address one that is made of it.

    `localhost` is the container itself there, and an address has no route.
    """
    if not is_literal(host):
        return host.rstrip(".")
    return "host-" + re.sub(r"[^0-9a-z]", "-", host.lower().strip("[].")).rstrip("-")


def is_literal(host: str) -> bool:
    """Whether a host is an address, or `localhost`, rather than a name to be looked up."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.lower().rstrip(".") == _LOCALHOST
    return True


def is_closed(address: Address) -> bool:
    """Whether an address is none for runs, unless the owner listed it itself.

    These are the house's own loopback, neighbours on the wire, metadata services, and whatever
    is not one machine. Those within an address of IPv6 count too.
    """
    inner = _inner(address)
    return (
        inner.is_loopback
        or inner.is_link_local
        or inner.is_unspecified
        or inner.is_multicast
        or inner in _METADATA
        or str(inner) == "255.255.255.255"
    )


def _inner(address: Address) -> Address:
    """The address of IPv4 that one of IPv6 stands for, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


# What the owner wrote


def parse_destination(text: str) -> tuple[str, int]:
    """Host and port of an entry of `allowed_destinations`.

    Raises
    ------
    NoDestination
        When it is not `host:port`.
    """
    match = _HOST_AND_PORT.fullmatch(text.strip())
    if match is None or not match[2] or text.strip().count(":") != match[1].count(":") + 1:
        raise NoDestination(f"{text!r} is not of the form host:port")
    return check_host(match[1]), _port(match[2])


def parse_service(text: str) -> tuple[str, tuple[int, ...]]:
    """The container of an entry of `docker_services`, and the ports if they are written out.

    Raises
    ------
    NoDestination
        When it is neither `name` nor `name:port,port`.
    """
    name, _, ports = text.partition(":")
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", name) or text.endswith(":"):
        raise NoDestination(f"{text!r} is not the name of a container, nor name:port,port")
    return name, tuple(_port(port) for port in ports.split(",")) if ports else ()


def check_alias(alias: str) -> str:
    """What a service may be called in containers; NoDestination for anything else."""
    if is_literal(alias) or alias.lower() in _RESERVED or not _HOST_NAME.fullmatch(alias):
        raise NoDestination(f"{alias!r} cannot be the name of a service in containers")
    return alias


def check_host(host: str) -> str:
    """The host, if it is a name or an address; NoDestination otherwise."""
    if not (is_literal(host) or _HOST_NAME.fullmatch(host)) or host.lower() == PROXY_HOST:
        raise NoDestination(f"{host!r} is neither the name nor the address of a host")
    return host.strip("[]")


def servers(uri: str) -> list[tuple[str, int]]:
    """Host and port of each server in the address of a database.

    Raises
    ------
    NoDestination
        When there is none, or no port is known for it.
    """
    prefix = _PREFIX.match(uri)
    if prefix is None:
        raise NoDestination("it is not the address of a server")
    scheme = prefix[1].lower()
    if uri.lower().startswith("mongodb+srv:"):
        raise NoDestination("addresses with `+srv` leave open which servers they mean")
    return [_server(scheme, part) for part in _hosts(uri)]


def _hosts(uri: str) -> Sequence[str]:
    """The parts of an address that are a host, perhaps with its port."""
    start, end = _span(uri)
    if start < end:
        return uri[start:end].split(",")
    query = parse_qs(uri.partition("?")[2])
    hosts = query.get("host", [""])[0].split(",")
    ports = query.get("port", [""])[0].split(",")
    if not hosts[0] or hosts[0].startswith("/"):
        raise NoDestination("its address names no host")
    if any(is_literal(host) for host in hosts):
        raise NoDestination("an address of a host has to stand before the path, not behind it")
    return [f"{host}:{port}" for host, port in zip(hosts, ports * len(hosts), strict=False)]


def _span(uri: str) -> tuple[int, int]:
    """Where the hosts of an address stand, after user and password."""
    prefix = _PREFIX.match(uri)
    match = _AUTHORITY.match(uri, prefix.end() if prefix else 0)
    if match is None:
        return 0, 0
    return match.start(1) + match[1].rfind("@") + 1, match.end(1)


def _server(scheme: str, part: str) -> tuple[str, int]:
    match = _HOST_AND_PORT.fullmatch(part)
    if match is None or not match[1]:
        raise NoDestination("its address names no host")
    host = check_host(match[1])
    if match[2]:
        return host, _port(match[2])
    port = DEFAULT_PORTS.get(scheme)
    if port is None:
        raise NoDestination(f"no port is known for {scheme!r}; write it into its address")
    return host, port


def inside(uri: str) -> str:
    """The address of a database as a container has to write it: with names, not addresses."""
    start, end = _span(uri)
    if start == end:
        return uri
    parts = (_inside(part) for part in uri[start:end].split(","))
    return uri[:start] + ",".join(parts) + uri[end:]


def _inside(part: str) -> str:
    match = _HOST_AND_PORT.fullmatch(part)
    if match is None or not is_literal(match[1]):
        return part
    return name_of(match[1]) + part[match.end(1) :]


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise NoDestination(f"{text!r} is not the number of a port")
    return int(text)
