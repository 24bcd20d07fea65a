"""From an assignment to a running container; or to the reason why there is none."""

import logging
from concurrent.futures import Future
from dataclasses import replace

from vantage6.common.encryption import DummyCryptor, RSACryptor, is_envelope
from vantage6.common.exceptions import EncryptionError, ServerError, ServerUnreachable
from vantage6.common.task_status import TaskStatus
from vantage6.node.audit.runs import RunAudit
from vantage6.node.databases import Database, DatabaseMissing, is_readable_by
from vantage6.node.delivery import Delivery
from vantage6.node.image.signature import Unsigned
from vantage6.node.policy import Decision, Origin, Request, decide, read_input
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
from vantage6.node.runner.settings import Rules, RunFiles, container_settings, own_user
from vantage6.node.server import Server
from vantage6.node.settings import Settings
from vantage6.node.state import Assignment, Event, Gone, Postponed, Refused, Started
from vantage6.node.timeline import Timeline
from vantage6.node.workers import Workers
from vantage6.node.workspace import Workspace

log = logging.getLogger(__name__)


class CannotStart(Exception):
    """A run that ends before its container has started."""

    def __init__(self, status: TaskStatus, reason: str, rule: str = "") -> None:
        super().__init__(reason)
        self.status, self.rule = status, rule


class Launch:
    """Starts runs.

    Parameters
    ----------
    server, runner, proxy, workspace, cryptor, settings : object
        Those of the node.
    delivery : Delivery
        Knows who will have to read the result.
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
        workspace: Workspace,
        cryptor: RSACryptor | DummyCryptor,
        settings: Settings,
        delivery: Delivery,
        calls: Workers,
        audit: RunAudit,
    ) -> None:
        self._server, self._runner, self._proxy = server, runner, proxy
        self._workspace, self._cryptor, self._settings = workspace, cryptor, settings
        self._delivery, self._calls, self._audit = delivery, calls, audit

    def start(self, assignment: Assignment, timeline: Timeline) -> Event:
        """Check the run, make its container and start it."""
        try:
            self._launch(assignment, timeline)
        except CannotStart as error:
            return self._refuse(assignment, error)
        except ServerError as error:
            if error.status not in DEFINITE:
                return Postponed(str(error))
            if not self._server.wants(assignment.result_id):
                return Gone()
            reason = f"The server refused what the run needs to start: {error}"
            return self._refuse(assignment, CannotStart(TaskStatus.START_FAILED, reason))
        return Started()

    def _refuse(self, assignment: Assignment, error: CannotStart) -> Event:
        status, reason = error.status, str(error)
        self._audit.not_started(assignment, _origin(assignment), status.value, reason, error.rule)
        return Refused(failure(status, reason))

    def _launch(self, assignment: Assignment, timeline: Timeline) -> None:
        """From an assignment to a running container; calls to the server run beside it."""
        request = Request(assignment.image, _origin(assignment))
        self._check_policy(request)
        token = self._calls.submit(
            lambda: self._server.container_token(assignment.task_id, assignment.image)
        )
        reader = self._calls.submit(lambda: self._check_reader(assignment))
        self._make_container(assignment, request, timeline)
        reader.result()
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
            raise CannotStart(TaskStatus.NOT_ALLOWED, decision.reason, decision.rule)
        return decision

    def _permit(self, request: Request) -> Decision:
        """The permission, now that all is known; without one there is no container."""
        decision = self._check_policy(request)
        if not decision.allowed:
            raise CannotStart(TaskStatus.NOT_ALLOWED, decision.reason, decision.rule)
        return decision

    def _check_reader(self, assignment: Assignment) -> None:
        """Whoever asked must be able to read the answer; said before it is computed."""
        if isinstance(self._cryptor, RSACryptor) and not self._delivery.readers_key(assignment):
            raise CannotStart(
                TaskStatus.START_FAILED,
                "The organization that asked has no public key, so no result can be "
                "encrypted for it",
            )

    def _make_container(self, assignment: Assignment, request: Request, timeline: Timeline) -> None:
        input_ = self._read_input(assignment)
        request = replace(request, input=read_input(input_))
        self._check_policy(request)
        database = self._choose_database(assignment)
        image = self._provide_image(assignment, request)
        request = replace(request, digests=image.digests)
        decision = self._permit(request)
        timeline.mark("image")
        noted = self._calls.submit(
            lambda: self._audit.allowed(assignment, request, decision, input_, [database.label])
        )
        self._check_readable(database, image.user)
        files = self._workspace.prepare(assignment, input_, database)
        self._workspace.write_remark(assignment, image.remark)
        timeline.mark("prepare")
        self._create(assignment, files, database, decision.rules, image)
        noted.result()
        timeline.mark("create")

    def _create(
        self,
        assignment: Assignment,
        files: RunFiles,
        database: Database,
        rules: Rules,
        image: FoundImage,
    ) -> None:
        user = rules.run_as or own_user(image.user, *self._settings.user)
        settings = container_settings(
            assignment, self._settings.identity, files, database, rules, user
        )
        try:
            self._runner.create(replace(settings, image=image.id))
        except EngineUnreachable:
            raise
        except RunnerError as error:
            raise CannotStart(TaskStatus.START_FAILED, str(error)) from error

    def _read_input(self, assignment: Assignment) -> bytes:
        try:
            return decode_input(self._cryptor, assignment.input)
        except EncryptionError as error:
            raise CannotStart(
                TaskStatus.START_FAILED, f"The input cannot be decrypted at this node: {error}"
            ) from error

    def _choose_database(self, assignment: Assignment) -> Database:
        try:
            return self._settings.databases.choose(assignment.database)
        except DatabaseMissing as error:
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

    def _check_readable(self, database: Database, image_user: str) -> None:
        user = own_user(image_user, *self._settings.user) or image_user
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
        token = self._workspace.read_token(assignment)
        try:
            folder = self._runner.sandbox(assignment.result_id)
        except ContainerMissing as error:
            log.warning("%s runs on without a way to the server: %s", assignment, error)
            return
        self._proxy.admit(assignment.result_id, folder, token)


def _origin(assignment: Assignment) -> Origin:
    """Who asked, as the server says."""
    return Origin(assignment.initiator, user_id=assignment.user)


def decode_input(cryptor: RSACryptor | DummyCryptor, text: str) -> bytes:
    """The bytes of an input as the algorithm will read them.

    Without encryption, scripts may have sent plain JSON instead of base64; it stays as it is.

    Raises
    ------
    EncryptionError
        When it cannot be decrypted, or is encrypted where nothing should be.
    """
    try:
        return cryptor.decrypt_str_to_bytes(text)
    except EncryptionError:
        if isinstance(cryptor, RSACryptor) or is_envelope(text):
            raise
        return text.encode()


def _log_lost(told: "Future[None]", assignment: Assignment) -> None:
    """Wait for a call that ran beside; what it raises is no reason to stop a started run."""
    error = told.exception()
    if error:
        log.warning("%s: telling the server of its start failed: %s", assignment, error)
