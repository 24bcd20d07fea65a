"""What runs may connect to outside: worked out, opened, and opened again after a restart."""

import logging
from collections.abc import Mapping, Sequence

from vantage6.node.assignment import Assignment
from vantage6.node.databases import Database
from vantage6.node.destinations import parse_service
from vantage6.node.outbound.gateway import Gateway, Traffic, Unreachable
from vantage6.node.outbound.plan import ServicePorts, Ways, plan
from vantage6.node.rules import Rules
from vantage6.node.runner.interface import Runner, RunnerError, ServiceMissing
from vantage6.node.workspace import Workspace

log = logging.getLogger(__name__)


class Outbound:
    """The ways out of all runs.

    Parameters
    ----------
    runner : Runner
    workspace : Workspace
        Keeps what was opened for the next process of this node.
    services : mapping
        Entries of `docker_services`: the container, perhaps with ports, by alias.
    """

    def __init__(
        self, runner: Runner, workspace: Workspace, services: Mapping[str, str | None]
    ) -> None:
        self._runner, self._workspace = runner, workspace
        self._services = {
            alias: parse_service(text or alias) for alias, text in (services or {}).items()
        }
        self._gateway = Gateway(self._find_service)

    def plan(self, databases: Sequence[Database], rules: Rules) -> Ways:
        """The ways out that a run gets.

        Raises
        ------
        NoDestination
            When there are too many.
        """
        found = {alias: self._look_at(alias) for alias in self._services}
        return plan(databases, found, rules.destinations)

    def open(self, assignment: Assignment, ways: Ways) -> None:
        """Let a run connect to its destinations, also if the node starts again meanwhile.

        Raises
        ------
        RelayFailed, EngineUnreachable
        """
        if ways.lines:
            self._workspace.write_ways(assignment.result_id, ways.to_json())
        self._admit(assignment.result_id, ways)

    def reopen(self, assignment: Assignment, allowed: Ways) -> None:
        """Open again what an earlier process of this node had opened and still is allowed.

        Raises
        ------
        RelayFailed, EngineUnreachable
        """
        content = self._workspace.read_ways(assignment.result_id)
        if content is not None:
            listed = {container for container, _ in self._services.values()}
            ways = Ways.from_json(content).still_in(allowed, listed)
            self._admit(assignment.result_id, ways)

    def close(self, result_id: int) -> list[Traffic]:
        """Close the ways out of a run, and say what went through them."""
        passed = self._gateway.dismiss(result_id)
        for traffic in passed:
            if traffic.sent or traffic.received:
                log.info("Run %d: %s", result_id, traffic)
        return passed

    def close_all(self) -> dict[int, list[Traffic]]:
        """Close the ways out of all runs, and say what went through them, by run."""
        return self._gateway.close()

    def _admit(self, result_id: int, ways: Ways) -> None:
        if ways.lines:
            self._gateway.admit(
                result_id,
                self._runner.sandbox(result_id),
                ways.lines,
                lambda: self._runner.call_relay(result_id),
            )

    def _look_at(self, alias: str) -> ServicePorts:
        """The ports of a service; those that the owner wrote out need no look."""
        container, ports = self._services[alias]
        if ports:
            return ServicePorts(container, ports)
        try:
            exposed = self._runner.service(container).ports
        except ServiceMissing as error:
            log.warning("The service %r (container %r): %s", alias, container, error)
            return ServicePorts(container, fault=str(error))
        fault = "" if exposed else "its container exposes no port"
        return ServicePorts(container, exposed, fault)

    def _find_service(self, container: str) -> str:
        try:
            return self._runner.service(container).address
        except ServiceMissing as error:
            raise Unreachable(str(error)) from error
        except RunnerError as error:
            raise Unreachable("the container engine does not say where it is") from error


def faults(passed: Sequence[Traffic]) -> list[str]:
    """What the researcher should know about ways out that did not work."""
    return [
        f"The node could not connect the run with {traffic.destination.purpose}: {fault}"
        for traffic in passed
        for fault in sorted(traffic.faults)
    ]
