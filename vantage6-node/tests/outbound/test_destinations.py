"""What the owner writes, and what that opens; without a socket."""

import ipaddress

import pytest

from vantage6.node.databases import Database
from vantage6.node.destinations import (
    Destination,
    NoDestination,
    check_alias,
    is_closed,
    lay_out,
    name_of,
    parse_destination,
    parse_service,
    servers,
)
from vantage6.node.outbound.plan import ServicePorts, Ways, plan


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("postgresql://user:p%40ss@db.house/omop", [("db.house", 5432)]),
        ("postgresql+psycopg://db.house:6000/omop", [("db.house", 6000)]),
        ("postgres://a:1,b:2/x?sslmode=verify-full", [("a", 1), ("b", 2)]),
        ("postgresql:///omop?host=db.house&port=5433", [("db.house", 5433)]),
        ("http://rdf.house/sparql", [("rdf.house", 80)]),
        ("HTTPS://rdf.house", [("rdf.house", 443)]),
        ("http://[fd00::7]:8890/sparql", [("fd00::7", 8890)]),
        ("mysql://u@localhost/x", [("localhost", 3306)]),
        ("jdbc:postgresql://db.house:5432/omop", [("db.house", 5432)]),
        ("jdbc:sqlserver://sql.house:1433;databaseName=omop", [("sql.house", 1433)]),
        ("jdbc:sqlserver://sql.house;databaseName=a@b", [("sql.house", 1433)]),
        ("jdbc:oracle:thin:@ora.house:1522:orcl", [("ora.house", 1522)]),
        ("jdbc:oracle:thin:@//ora.house/orcl", [("ora.house", 1521)]),
        ("mssql+pyodbc://u:p@sql.house/db?driver=ODBC", [("sql.house", 1433)]),
        ("mongodb://a,b:2/x", [("a", 27017), ("b", 2)]),
        ("s3://minio.house:9000/bucket", [("minio.house", 9000)]),
    ],
)
def test_the_servers_in_the_address_of_a_database(uri, found):
    assert servers(uri) == found


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/key",
        "mongodb+srv://cluster.house/x",
        "sqlite:////data/x.db",
        "postgresql:///omop",
        "postgresql:///omop?host=/var/run/postgresql",
        "postgresql:///omop?host=10.0.0.5",
        "postgresql://db.house:99999/x",
        "postgresql://u:p/w@db.house/x",
        "http://a b/x",
        "http://proxyserver/x",
    ],
)
def test_an_address_that_names_no_server(uri):
    with pytest.raises(NoDestination):
        servers(uri)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("api.example.org:443", ("api.example.org", 443)),
        ("[fd00::5]:5432", ("fd00::5", 5432)),
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
    ],
)
def test_destinations(text, found):
    assert parse_destination(text) == found


@pytest.mark.parametrize(
    "text",
    ["host", "host:", ":80", "host:0", "host:80:81", "*.x:80", "h/x:80", "fe80::1%eth0:80", "a:b"],
)
def test_what_is_no_destination(text):
    with pytest.raises(NoDestination):
        parse_destination(text)


def test_services():
    assert parse_service("omop-db") == ("omop-db", ())
    assert parse_service("omop-db:5432,8080") == ("omop-db", (5432, 8080))
    for text in ("", "a b", "x:", "x:y", "../x"):
        with pytest.raises(NoDestination):
            parse_service(text)
    for alias in ("proxyserver", "localhost", "127.0.0.1", "a b", ""):
        with pytest.raises(NoDestination):
            check_alias(alias)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "0.0.0.0",
        "::",
        "169.254.169.254",
        "169.254.1.1",
        "fe80::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "2002:7f00:1::",
        "64:ff9b::a9fe:a9fe",
    ],
)
def test_addresses_that_no_name_may_lead_to(address):
    assert is_closed(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["10.0.0.5", "192.168.1.1", "93.184.216.34", "fd00::5"])
def test_addresses_of_the_house_and_the_world(address):
    assert not is_closed(ipaddress.ip_address(address))


def test_each_name_has_an_address_of_its_own():
    wanted = [Destination(f"h{n}", p, f"h{n}", "") for n in range(3) for p in (1, 2)]
    lines = lay_out([*wanted, Destination("other", 1, "H0", "")])
    assert [(line.address, line.destination.name, line.destination.port) for line in lines] == [
        ("127.0.0.2", "h0", 1),
        ("127.0.0.2", "h0", 2),
        ("127.0.0.3", "h1", 1),
        ("127.0.0.3", "h1", 2),
        ("127.0.0.4", "h2", 1),
        ("127.0.0.4", "h2", 2),
    ]
    with pytest.raises(NoDestination):
        lay_out(Destination(f"h{n}", 1, f"h{n}", "") for n in range(300))


def test_names_of_addresses_are_names():
    for address in ("10.0.0.5", "fd00::5", "[::1]", "localhost", "LOCALHOST."):
        assert parse_destination(f"{name_of(address)}:1")
    assert name_of("db.house.") == "db.house"


FILE = Database("default", "/x.csv", None)


def database(uri, label="default"):
    return Database.from_config(label, uri)


def targets(ways):
    return [
        (line.destination.name, line.destination.host, line.destination.port) for line in ways.lines
    ]


def test_a_run_gets_its_databases_the_services_and_what_its_image_may_reach():
    ways = plan(
        [database("postgresql://db.house/x"), database("/nowhere/x.csv", "file")],
        {"omop": ServicePorts("omop-1", (5432, 80))},
        ["api.example:443"],
    )
    assert targets(ways) == [
        ("db.house", "db.house", 5432),
        ("api.example", "api.example", 443),
        ("omop", "omop-1", 5432),
        ("omop", "omop-1", 80),
    ]
    assert ways.hosts == {"db.house": "127.0.0.2", "api.example": "127.0.0.3", "omop": "127.0.0.4"}


def test_a_database_may_be_a_service():
    ways = plan(
        [database("postgresql://omop:6000/x")], {"omop": ServicePorts("omop-1", (5432,))}, []
    )
    assert targets(ways) == [("omop", "omop-1", 6000), ("omop", "omop-1", 5432)]
    assert all(line.destination.is_service for line in ways.lines)


def test_what_cannot_be_opened_is_said():
    ways = plan(
        [database("s3://bucket/key")], {"omop": ServicePorts("omop-1", fault="it is gone")}, []
    )
    assert ways.lines == ()
    assert "'omop'" in ways.faults[0]
    assert "it is gone" in ways.faults[0]
    assert "'default'" in ways.faults[1]


def test_what_was_opened_survives_a_restart_but_not_a_change_of_mind():
    services = {"omop": ServicePorts("omop-1", (5432,))}
    before = plan([database("http://a/x")], services, ["b:1", "c:2"])
    assert Ways.from_json(before.to_json()) == before
    now = plan([database("http://a/x")], {}, ["c:2", "d:3"])
    assert targets(before.still_in(now, [])) == [("a", "a", 80), ("c", "c", 2)]
    # the service is only away
    assert targets(before.still_in(now, ["omop-1"]))[-1] == ("omop", "omop-1", 5432)
    # and what stays, stays where the run knows it
    assert before.still_in(now, []).lines[1].address == before.lines[2].address
