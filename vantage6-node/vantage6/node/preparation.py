"""From the permission for a run to its container, which is made but does not run yet."""

from collections.abc import Sequence
from dataclasses import replace

from vantage6.node.assignment import Assignment
from vantage6.node.audit.runs import RunAudit
from vantage6.node.databases import Database, check_readable
from vantage6.node.outbound.outbound import Outbound
from vantage6.node.outbound.plan import Ways
from vantage6.node.permission import Permit
from vantage6.node.runner.interface import Runner
from vantage6.node.runner.settings import ContainerSettings, container_settings, own_user
from vantage6.node.settings import Settings
from vantage6.node.timeline import Timeline
from vantage6.node.workers import Workers
from vantage6.node.workspace import Workspace


class Preparation:
    """Makes the containers of runs that may start; what stands in the way is raised.

    Parameters
    ----------
    runner, outbound, workspace, settings : object
        Those of the node.
    calls : Workers
        For the line in the audit log, which is written beside the work on the container.
    audit : RunAudit
        No container is ready before its line is written.
    """

    def __init__(
        self,
        runner: Runner,
        outbound: Outbound,
        workspace: Workspace,
        settings: Settings,
        calls: Workers,
        audit: RunAudit,
    ) -> None:
        self._runner, self._outbound, self._workspace = runner, outbound, workspace
        self._settings, self._calls, self._audit = settings, calls, audit

    def check_database(self, assignment: Assignment) -> None:
        """See that the database of a run is there; said before its image is fetched."""
        self._settings.databases.choose_all(assignment.database)

    def make(self, assignment: Assignment, permit: Permit, timeline: Timeline) -> Ways:
        """Make the container of a run; returns what it is to be connected with."""
        databases = self._settings.databases.choose_all(assignment.database, permit.rules.databases)
        noted = self._calls.submit(lambda: self._note(assignment, permit, databases))
        ways = self._outbound.plan(databases, permit.rules)
        settings = self._lay_out(assignment, permit, databases, ways)
        timeline.mark("prepare")
        self._runner.create(replace(settings, image=permit.image.id, hosts=ways.hosts))
        noted.result()
        timeline.mark("create")
        return ways

    def _note(self, assignment: Assignment, permit: Permit, databases: Sequence[Database]) -> None:
        labels = [database.label for database in databases]
        self._audit.allowed(assignment, permit.request, permit.decision, permit.input, labels)

    def _lay_out(
        self, assignment: Assignment, permit: Permit, databases: Sequence[Database], ways: Ways
    ) -> ContainerSettings:
        """The files of a run, and what its container will be."""
        rules, image = permit.rules, permit.image
        user = rules.run_as or own_user(image.user, *self._settings.user)
        if not rules.writable_database:
            for database in databases:
                check_readable(database, user or image.user)
        largest = rules.limits.disk if rules.writable_database else None
        files = self._workspace.prepare(assignment, permit.input, databases, largest)
        self._workspace.write_digests(assignment, image.digests)
        self._workspace.write_remark(assignment, "\n".join([image.remark, *ways.faults]).strip())
        return container_settings(
            assignment, self._settings.identity, files, databases, rules, user
        )
