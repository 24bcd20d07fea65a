"""Runs whose containers an earlier process of this node started: their ways are opened again.

Nothing here ends a run: one that cannot be connected again runs on as it is.
"""

import logging

from vantage6.common.exceptions import ServerError, ServerUnreachable
from vantage6.node.assignment import Assignment
from vantage6.node.databases import Database, DatabaseMissing
from vantage6.node.destinations import NoDestination
from vantage6.node.outbound.gateway import RelayFailed
from vantage6.node.outbound.outbound import Outbound
from vantage6.node.proxy import Proxy
from vantage6.node.rules import Rules
from vantage6.node.runner.interface import ContainerMissing, Runner, RunnerError
from vantage6.node.server import Server
from vantage6.node.settings import Settings
from vantage6.node.workers import Workers
from vantage6.node.workspace import Workspace

log = logging.getLogger(__name__)


class Readmission:
    """Takes running containers up again.

    Parameters
    ----------
    server, runner, proxy, outbound, workspace, settings : object
        Those of the node.
    calls : Workers
        For calls to the server, which nothing waits for.
    """

    def __init__(
        self,
        server: Server,
        runner: Runner,
        proxy: Proxy,
        outbound: Outbound,
        workspace: Workspace,
        settings: Settings,
        calls: Workers,
    ) -> None:
        self._server, self._runner = server, runner
        self._proxy, self._outbound = proxy, outbound
        self._workspace, self._settings, self._calls = workspace, settings, calls

    def readmit(self, assignment: Assignment) -> None:
        """Let a container speak to our proxy, and to what the owner allows it, again."""
        self._calls.submit(lambda: self._keep_claim(assignment))
        token = self._workspace.read_token(assignment)
        try:
            folder = self._runner.sandbox(assignment.result_id)
        except ContainerMissing as error:
            log.warning("%s runs on without a way to the server: %s", assignment, error)
            return
        self._proxy.admit(assignment.result_id, folder, token)
        self._reopen_ways(assignment)

    def _reopen_ways(self, assignment: Assignment) -> None:
        """Connect a run again with what the owner allows it; without that it runs on as it is."""
        rules = self._settings.rules_for(assignment.image, self._workspace.read_digests(assignment))
        try:
            databases = self._databases_now(assignment, rules)
            self._outbound.reopen(assignment, self._outbound.plan(databases, rules))
        except (NoDestination, RelayFailed, RunnerError) as error:
            log.warning("%s runs on without its connections: %s", assignment, error)

    def _databases_now(self, assignment: Assignment, rules: Rules) -> tuple[Database, ...]:
        """The databases of a run as they are configured now; none where one is gone."""
        try:
            return self._settings.databases.choose_all(assignment.database, rules.databases)
        except DatabaseMissing as error:
            log.warning("%s: %s", assignment, error)
            return ()

    def _keep_claim(self, assignment: Assignment) -> None:
        """Claim a run that goes on; one that another process has is given up when that is seen."""
        try:
            self._server.claim_run(assignment.result_id)
        except (ServerError, ServerUnreachable) as error:
            log.info("%s is not claimed again: %s", assignment, error)
