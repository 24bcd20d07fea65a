"""What the owner opened to runs: containers of the house, and hosts outside."""

from contextlib import closing

from vantage6.common.context import InstanceContext
from vantage6.node.destinations import (
    Destination,
    name_of,
    parse_destination,
    parse_service,
)
from vantage6.node.doctor.findings import Finding, Findings, well, wrong
from vantage6.node.outbound.gateway import Unreachable, connect
from vantage6.node.runner import engine
from vantage6.node.runner.interface import EngineUnreachable, ServiceMissing
from vantage6.node.runner.services import Services


def is_service(context: InstanceContext, host: str) -> bool:
    """Whether runs that connect to this host are led to a container of this machine."""
    aliases = context.config["docker_services"] or {}
    return host.lower() in {alias.lower() for alias in aliases}


def services(context: InstanceContext) -> Findings:
    """Every container of `docker_services`: whether it runs, and on which ports it is open."""
    listed = context.config["docker_services"] or {}
    if not listed:
        return
    try:
        api = engine.connect(connections=1)
    except EngineUnreachable:
        return  # told where the engine is looked at
    with closing(api):
        found = Services(api, None)
        for alias, text in listed.items():
            yield _service(found, alias, *parse_service(text or alias))


def _service(found: Services, alias: str, container: str, ports: tuple[int, ...]) -> Finding:
    subject = f"service {alias}"
    try:
        exposed = found.find(container).ports
    except ServiceMissing as error:
        return wrong(
            subject,
            f"{container}: {error}",
            "Start the container, or correct its name in `docker_services`; `docker ps` shows them",
        )
    ports = ports or exposed
    if not ports:
        return wrong(
            subject,
            f"{container} exposes no port",
            f"Write the ports behind its name in `docker_services`: {container}:5432",
        )
    return well(subject, f"{container} runs; runs reach {', '.join(map(str, ports))}")


def destinations(context: InstanceContext) -> Findings:
    """Every entry of `allowed_destinations`: whether a run would be connected to it."""
    for text in context.config["allowed_destinations"]:
        host, port = parse_destination(text)
        if not is_service(context, host):
            yield _destination(text, Destination(host, port, name_of(host), text))


def _destination(text: str, destination: Destination) -> Finding:
    subject = "destination"
    try:
        connect(destination, _no_service).close()
    except Unreachable as error:
        return wrong(
            subject,
            f"{text}: {error}",
            "Correct or remove it in `allowed_destinations`, or see that this machine may connect "
            "to it",
        )
    return well(subject, f"{text} answers")


def _no_service(name: str) -> str:
    raise Unreachable(f"{name} is no service")
