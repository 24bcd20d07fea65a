"""Which ways out a run gets: those to its databases, and what the owner opens to all; pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vantage6.node.databases import Database
from vantage6.node.destinations import (
    Destination,
    Line,
    NoDestination,
    host_names,
    lay_out,
    name_of,
    parse_destination,
    servers,
)


@dataclass(frozen=True)
class ServicePorts:
    """A service as it was found when the run began.

    Attributes
    ----------
    container : str
        Its exact name.
    ports : tuple of int
        What may be connected to.
    fault : str
        Why there are none; "" when all is well.
    """

    container: str
    ports: tuple[int, ...] = ()
    fault: str = ""


@dataclass(frozen=True)
class Ways:
    """The ways out of one run.

    Attributes
    ----------
    lines : tuple of Line
    faults : tuple of str
        What the owner opened and is not there, for the log of the run.
    """

    lines: tuple[Line, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def hosts(self) -> dict[str, str]:
        """Addresses in the network of the run by the names that lead to them."""
        return host_names(self.lines)

    def to_json(self) -> dict[str, Any]:
        """For the next process of this node."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Ways":
        """What an earlier process of this node opened."""
        lines = (
            Line(line["address"], Destination(**line["destination"])) for line in content["lines"]
        )
        return cls(tuple(lines), tuple(content["faults"]))

    def still_in(self, allowed: "Ways", services: Collection[str]) -> "Ways":
        """Of these, those that would be opened now as well: the owner may have changed the list.

        Parameters
        ----------
        allowed : Ways
        services : collection of str
            Names of containers that are listed, whether they are there just now or not.
        """
        targets = {(line.destination.host, line.destination.port) for line in allowed.lines}

        def stays(to: Destination) -> bool:
            return to.host in services if to.is_service else (to.host, to.port) in targets

        return Ways(tuple(line for line in self.lines if stays(line.destination)))


def plan(
    databases: Iterable[Database],
    services: Mapping[str, ServicePorts],
    destinations: Sequence[str],
) -> Ways:
    """The ways out of a run.

    Parameters
    ----------
    databases : iterable of Database
        Those of the run; no others are opened.
    services : mapping
        From aliases. A database or a destination of that name is this service.
    destinations : sequence of str
        `host:port`, as the owner allows them to the image.
    """
    faults = [
        f"The service {alias!r} of this node cannot be reached: {service.fault}"
        for alias, service in services.items()
        if service.fault
    ]
    wanted: list[Destination] = []
    for database in databases:
        try:
            wanted += _of_database(database)
        except NoDestination as error:
            faults.append(f"No connection is open to the database {database.label!r}: {error}")
    wanted += _of_list(destinations)
    wanted = [_as_service(destination, services) for destination in wanted]
    wanted += _of_services(services)
    return Ways(lay_out(wanted), tuple(faults))


def _of_database(database: Database) -> Iterator[Destination]:
    if database.path is None:
        for host, port in servers(database.uri):
            yield Destination(host, port, name_of(host), f"the database {database.label!r}")


def _of_list(destinations: Iterable[str]) -> Iterator[Destination]:
    for text in destinations:
        host, port = parse_destination(text)
        yield Destination(host, port, name_of(host), text)


def _of_services(services: Mapping[str, ServicePorts]) -> Iterator[Destination]:
    for alias, service in services.items():
        for port in service.ports:
            yield Destination(service.container, port, alias, f"the service {alias!r}", True)


def _as_service(destination: Destination, services: Mapping[str, ServicePorts]) -> Destination:
    """The destination; if its host is the alias of a service, that one's container."""
    for alias, service in services.items():
        if alias.lower() == destination.name.lower():
            return Destination(
                service.container, destination.port, alias, destination.purpose, True
            )
    return destination
