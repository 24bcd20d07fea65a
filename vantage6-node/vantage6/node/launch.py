"""From an assignment to a running container; or to the reason why there is none."""

import logging
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace

from vantage6.common.exceptions import (
    EncryptionError,
    KeyChanged,
    ServerError,
    ServerUnreachable,
)
from vantage6.common.task_status import TaskStatus
from vantage6.node.agreement import Disagreement
from vantage6.node.audit.runs import RunAudit
from vantage6.node.copies import NoCopy
from vantage6.node.databases import Database, DatabaseMissing, is_readable_by
from vantage6.node.delivery import is_over
from vantage6.node.envelopes import Envelopes, Letter, NotAccepted, claimed_origin
from vantage6.node.fetching import Abandoned, Fetching
from vantage6.node.image.signature import Unsigned
from vantage6.node.outbound.destinations import NoDestination
from vantage6.node.outbound.gateway import RelayFailed
from vantage6.node.outbound.outbound import Outbound
from vantage6.node.outbound.plan import Ways
from vantage6.node.policy import Decision, Input, Origin, Request, Verdict, decide, read_input
from vantage6.node.proxy import Proxy
from vantage6.node.reports import DEFINITE, failure, now
from vantage6.node.runner.interface import (
    ContainerMissing,
    EngineUnreachable,
    FoundImage,
    ImageMissing,
    Runner,
    RunnerError,
)
from vantage6.node.runner.settings import (
    ContainerSettings,
    Rules,
    RunFiles,
    container_settings,
    own_user,
)
from vantage6.node.server import Server
from vantage6.node.settings import Settings
from vantage6.node.state import Assignment, Event, Gone, Postponed, Refused, Started
from vantage6.node.timeline import Timeline
from vantage6.node.workers import Workers
from vantage6.node.workspace import Workspace

_LARGEST_LOOKED_INTO = 2**18

log = logging.getLogger(__name__)


class CannotStart(Exception):
    """A run that ends before its container has started.

    Attributes
    ----------
    status : TaskStatus
    rule : str
        What of the configuration decided, for the owner.
    origin : Origin, optional
        Who asked, where more is known of it than what the server says.
    """

    def __init__(
        self, status: TaskStatus, reason: str, rule: str = "", origin: Origin | None = None
    ) -> None:
        super().__init__(reason)
        self.status, self.rule, self.origin = status, rule, origin


class Launch:
    """Starts runs.

    Parameters
    ----------
    server, runner, proxy, outbound, workspace, envelopes, settings : object
        Those of the node.
    calls : Workers
        For calls to the server beside the work on the container.
    audit : RunAudit
        No container starts before its line is written.
    """

    def __init__(
        self,
        server: Server,
        runner: Runner,
        proxy: Proxy,
        outbound: Outbound,
        workspace: Workspace,
        envelopes: Envelopes,
        settings: Settings,
        calls: Workers,
        audit: RunAudit,
    ) -> None:
        self._server, self._runner = server, runner
        self._proxy, self._outbound = proxy, outbound
        self._workspace, self._envelopes, self._settings = workspace, envelopes, settings
        self._calls, self._audit = calls, audit
        self._fetching = Fetching()

    def start(self, assignment: Assignment, timeline: Timeline) -> Event:
        """Check the run, make its container and start it."""
        try:
            self._launch(assignment, timeline)
        except CannotStart as error:
            return self._refuse(assignment, error)
        except Abandoned:
            return Gone()
        except ServerError as error:
            if error.status not in DEFINITE:
                return Postponed(str(error))
            if is_over(self._server, assignment, error):
                return Gone()
            reason = f"The server refused what the run needs to start: {error}"
            return self._refuse(assignment, CannotStart(TaskStatus.START_FAILED, reason))
        finally:
            self._fetching.forget(assignment.result_id)
        return Started()

    def abandon(self, result_id: int) -> None:
        """Have a start that is under way end soon, if it can."""
        self._fetching.abandon(result_id)

    def _refuse(self, assignment: Assignment, error: CannotStart) -> Event:
        status, reason = error.status, str(error)
        origin = error.origin or claimed_origin(assignment)
        self._audit.not_started(assignment, origin, status.value, reason, error.rule)
        return Refused(failure(status, reason))

    def _launch(self, assignment: Assignment, timeline: Timeline) -> None:
        """From an assignment to a running container; calls to the server run beside it."""
        self._check_image(assignment)
        token = self._calls.submit(
            lambda: self._server.container_token(assignment.task_id, assignment.image)
        )
        claimed = self._calls.submit(lambda: self._server.claim_run(assignment.result_id))
        reader = self._calls.submit(lambda: self._check_reader(assignment))
        ways = self._make_container(assignment, timeline)
        self._open_ways(assignment, ways)
        reader.result()
        claimed.result()
        self._workspace.write_token(assignment, token.result())
        self._proxy.admit(
            assignment.result_id, self._runner.sandbox(assignment.result_id), token.result()
        )
        timeline.mark("token")
        told = self._calls.submit(lambda: self._tell_active(assignment))
        self._start_container(assignment.result_id)
        timeline.mark("start")
        _log_lost(told, assignment)

    def _check_policy(self, request: Request) -> Decision:
        """What the owner says to what is known so far."""
        decision = decide(self._settings.policy, request)
        if decision.refused:
            raise CannotStart(
                TaskStatus.NOT_ALLOWED, decision.reason, decision.rule, request.origin
            )
        return decision

    def _permit(self, request: Request) -> Decision:
        """The permission, now that all is known; without one there is no container."""
        decision = self._check_policy(request)
        if not decision.allowed:
            raise CannotStart(
                TaskStatus.NOT_ALLOWED, decision.reason, decision.rule, request.origin
            )
        return decision

    def _check_image(self, assignment: Assignment) -> None:
        """Ask about the image alone, before its input has said who sent it."""
        step = decide(self._settings.policy, Request(assignment.image, Origin())).steps[0]
        if step.verdict is Verdict.REFUSED:
            raise CannotStart(TaskStatus.NOT_ALLOWED, step.reason, step.rule)

    def _check_reader(self, assignment: Assignment) -> None:
        """Whoever asked must be able to read the answer; said before it is computed."""
        try:
            self._envelopes.check_reader(assignment)
        except Disagreement as error:
            raise CannotStart(TaskStatus.NOT_ALLOWED, str(error)) from error
        except EncryptionError as error:
            raise CannotStart(
                _status(error),
                f"No result can be encrypted for the organization that asked: {error}",
            ) from error

    def _make_container(self, assignment: Assignment, timeline: Timeline) -> Ways:
        """Make the container; returns what it is to be connected with."""
        letter = self._open(assignment)
        request = Request(
            assignment.image, self._named(letter.origin), self._look_into(letter.data)
        )
        self._check_policy(request)
        self._choose_databases(assignment)
        image = self._fetching.wait(
            assignment.result_id, lambda: self._provide_image(assignment, request)
        )
        request = replace(request, digests=image.digests)
        decision = self._permit(request)
        rules = decision.rules
        databases = self._choose_databases(assignment, rules)
        labels = [database.label for database in databases]
        timeline.mark("image")
        noted = self._calls.submit(
            lambda: self._audit.allowed(assignment, request, decision, letter.data, labels)
        )
        user = rules.run_as or own_user(image.user, *self._settings.user)
        for database in databases if not rules.writable_database else ():
            self._check_readable(database, user or image.user)
        ways = self._plan_ways(databases, rules)
        files = self._prepare(assignment, letter.data, databases, rules)
        self._workspace.write_digests(assignment, image.digests)
        self._workspace.write_remark(assignment, "\n".join([image.remark, *ways.faults]).strip())
        timeline.mark("prepare")
        self._create(
            container_settings(assignment, self._settings.identity, files, databases, rules, user),
            image,
            ways,
        )
        noted.result()
        timeline.mark("create")
        return ways

    def _named(self, origin: Origin) -> Origin:
        """The origin with the name that the server has for the organization, if that counts."""
        known = origin.organization_name or origin.organization_id is None
        if known or not self._settings.policy.needs_name:
            return origin
        assert origin.organization_id is not None
        shown = self._server.organization(origin.organization_id, self._settings.collaboration_id)
        return replace(origin, organization_name=shown.name)

    def _look_into(self, input_: bytes) -> Input:
        """What policy and audit log are told; a large input is read only where it decides."""
        restricted = self._settings.policy.restricts_methods
        return read_input(input_, largest=None if restricted else _LARGEST_LOOKED_INTO)

    def _prepare(
        self,
        assignment: Assignment,
        input_: bytes,
        databases: Sequence[Database],
        rules: Rules,
    ) -> RunFiles:
        largest = rules.limits.disk if rules.writable_database else None
        try:
            return self._workspace.prepare(assignment, input_, databases, largest)
        except NoCopy as error:
            raise CannotStart(TaskStatus.START_FAILED, str(error)) from error

    def _create(self, settings: ContainerSettings, image: FoundImage, ways: Ways) -> None:
        try:
            self._runner.create(replace(settings, image=image.id, hosts=ways.hosts))
        except EngineUnreachable:
            raise
        except RunnerError as error:
            raise CannotStart(TaskStatus.START_FAILED, str(error)) from error

    def _open(self, assignment: Assignment) -> Letter:
        try:
            return self._envelopes.open_input(assignment)
        except (NotAccepted, KeyChanged) as error:
            raise CannotStart(TaskStatus.NOT_ALLOWED, str(error)) from error
        except EncryptionError as error:
            raise CannotStart(
                TaskStatus.START_FAILED, f"The input cannot be decrypted at this node: {error}"
            ) from error

    def _choose_databases(
        self, assignment: Assignment, rules: Rules | None = None
    ) -> tuple[Database, ...]:
        further = rules.databases if rules else ()
        try:
            return self._settings.databases.choose_all(assignment.database, further)
        except DatabaseMissing as error:
            raise CannotStart(TaskStatus.START_FAILED, str(error)) from error

    def _plan_ways(self, databases: Sequence[Database], rules: Rules) -> Ways:
        try:
            return self._outbound.plan(databases, rules)
        except NoDestination as error:
            raise CannotStart(TaskStatus.START_FAILED, str(error)) from error

    def _open_ways(self, assignment: Assignment, ways: Ways) -> None:
        try:
            self._outbound.open(assignment, ways)
        except RelayFailed as error:
            raise CannotStart(TaskStatus.START_FAILED, str(error)) from error

    def _provide_image(self, assignment: Assignment, request: Request) -> FoundImage:
        """The image that will run; nothing is fetched that the owner refuses."""
        try:
            found = self._runner.find_image(assignment.image)
            self._check_policy(replace(request, digests=found.digests))
            self._check_signature(found)
            if not found.is_here:
                log.info("%s: fetching the image %s", assignment, found.name)
                self._tell(assignment, TaskStatus.INITIALIZING)
                found = self._runner.fetch_image(found)
        except ImageMissing as error:
            raise CannotStart(TaskStatus.NO_DOCKER_IMAGE, str(error)) from error
        return found

    def _check_signature(self, found: FoundImage) -> None:
        if self._settings.signatures is None:
            return
        try:
            self._settings.signatures.require(found.name, found.digest)
        except Unsigned as error:
            raise CannotStart(TaskStatus.NOT_ALLOWED, str(error), "required_signatures") from error

    def _check_readable(self, database: Database, user: str) -> None:
        if database.path and not is_readable_by(database.path, user):
            raise CannotStart(
                TaskStatus.START_FAILED,
                f"The database {database.label!r} cannot be read by the user of the container "
                f"({user or 'root, without capabilities'}); its owner has to change its mode",
            )

    def _start_container(self, result_id: int) -> None:
        try:
            self._runner.start(result_id)
        except EngineUnreachable:
            raise
        except RunnerError as error:
            raise CannotStart(TaskStatus.START_FAILED, str(error)) from error

    def _tell_active(self, assignment: Assignment) -> None:
        self._tell(assignment, TaskStatus.ACTIVE, now())

    def _tell(
        self, assignment: Assignment, status: TaskStatus, started_at: str | None = None
    ) -> None:
        """Tell the progress once: the report at the end says all of it again."""
        try:
            self._server.tell_progress(assignment.result_id, status, started_at)
        except (ServerError, ServerUnreachable) as error:
            log.warning("%s: the server was not told that it is %s: %s", assignment, status, error)

    def readmit(self, assignment: Assignment) -> None:
        """Let the container of an earlier node process speak to our proxy again."""
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


def _status(error: EncryptionError) -> TaskStatus:
    """How a run ends that would have no reader: for want of a key, or by the owner's caution."""
    return TaskStatus.NOT_ALLOWED if isinstance(error, KeyChanged) else TaskStatus.START_FAILED


def _log_lost(told: "Future[None]", assignment: Assignment) -> None:
    """Wait for a call that ran beside; what it raises is no reason to stop a started run."""
    error = told.exception()
    if error:
        log.warning("%s: telling the server of its start failed: %s", assignment, error)
