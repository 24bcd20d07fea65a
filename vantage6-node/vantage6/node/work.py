"""Carries out the actions of the state machine; runs on worker threads.

Each method of `RunWork` does one action for one run and returns the event that came of it.
Nothing is remembered here between actions: what matters is on disk, in the engine, or at the
server, so that it can be taken up again by the next process.
"""

import logging
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from vantage6.common.encryption import DummyCryptor, RSACryptor, is_envelope
from vantage6.common.exceptions import EncryptionError, ServerError, ServerUnreachable
from vantage6.common.task_status import TaskStatus
from vantage6.node.databases import Database, DatabaseMissing, Databases, is_readable_by
from vantage6.node.policy import NotAllowed, Policy
from vantage6.node.proxy import Proxy
from vantage6.node.runner.interface import (
    ContainerMissing,
    Ending,
    EngineUnreachable,
    ImageMissing,
    Runner,
    RunnerError,
)
from vantage6.node.runner.settings import (
    Identity,
    Rules,
    container_settings,
    own_user,
)
from vantage6.node.server import ApiKeyRefused, Server
from vantage6.node.state import (
    Action,
    Assignment,
    Broken,
    Clean,
    Cleaned,
    Collect,
    Collected,
    Deliver,
    Delivered,
    Event,
    Gone,
    Postponed,
    Readmit,
    Refused,
    Rejected,
    Report,
    Start,
    Started,
)
from vantage6.node.timeline import Timeline
from vantage6.node.workers import Workers
from vantage6.node.workspace import OutputUnusable, Workspace

# Answers that will be the same however often we ask
_DEFINITE = frozenset({400, 403, 404, 409, 413, 422})

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LogPolicy:
    """Which logs of algorithms leave the house.

    Attributes
    ----------
    share : {"on_failure", "always", "never"}
    lines : int
        How many lines of a failed run.
    characters : int
        The most that is sent in any case.
    """

    share: str = "on_failure"
    lines: int = 30
    characters: int = 200_000


@dataclass(frozen=True)
class Settings:
    """What the owner configured about runs.

    Attributes
    ----------
    identity : Identity
        On the containers.
    collaboration_id : int
    policy : Policy
    databases : Databases
    rules : Rules
    logs : LogPolicy
    output_limit : int
        Bytes.
    user : tuple of int
        As whom this process runs.
    """

    identity: Identity
    collaboration_id: int
    policy: Policy
    databases: Databases
    rules: Rules
    logs: LogPolicy
    output_limit: int
    user: tuple[int, int]


class CannotStart(Exception):
    """A run that ends before its container has started."""

    def __init__(self, status: TaskStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class RunWork:
    """Carries out actions for runs; see the module."""

    def __init__(
        self,
        server: Server,
        runner: Runner,
        proxy: Proxy,
        workspace: Workspace,
        cryptor: RSACryptor | DummyCryptor,
        settings: Settings,
        calls: Workers,
    ) -> None:
        self._server, self._runner, self._proxy = server, runner, proxy
        self._workspace, self._cryptor, self._settings = workspace, cryptor, settings
        self._calls = calls

    def perform(self, action: Action, assignment: Assignment, timeline: Timeline) -> Event | None:
        """Carry out one action and say what came of it; never raises."""
        try:
            return self._perform(action, assignment, timeline)
        except (ServerUnreachable, EngineUnreachable, ApiKeyRefused) as error:
            return Postponed(str(error))
        except Exception as error:
            log.exception("%s: %s failed", assignment, type(action).__name__)
            reason = f"The node met an error that it does not know: {type(error).__name__}: {error}"
            return Broken(_report(TaskStatus.UNKNOWN_ERROR, reason))

    def _perform(self, action: Action, assignment: Assignment, timeline: Timeline) -> Event | None:
        match action:
            case Start():
                return self._start(assignment, timeline)
            case Readmit():
                return self._readmit(assignment)
            case Collect():
                return self._collect(assignment)
            case Deliver(report):
                return self._deliver(assignment, report)
            case Clean():
                return self._clean(assignment)
        raise TypeError(f"{action} cannot be carried out")

    # Start

    def _start(self, assignment: Assignment, timeline: Timeline) -> Event:
        try:
            self._launch(assignment, timeline)
        except CannotStart as error:
            return Refused(_report(error.status, str(error)))
        except ServerError as error:
            if error.status not in _DEFINITE:
                return Postponed(str(error))
            if not self._server.wants(assignment.result_id):
                return Gone()
            reason = f"The server refused what the run needs to start: {error}"
            return Refused(_report(TaskStatus.START_FAILED, reason))
        return Started()

    def _launch(self, assignment: Assignment, timeline: Timeline) -> None:
        """From an assignment to a running container; calls to the server run beside it."""
        self._check_image(assignment)
        token = self._calls.submit(
            lambda: self._server.container_token(assignment.task_id, assignment.image)
        )
        reader = self._calls.submit(lambda: self._check_reader(assignment))
        self._make_container(assignment, timeline)
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

    def _check_image(self, assignment: Assignment) -> None:
        try:
            self._settings.policy.check_image(assignment.image)
        except NotAllowed as error:
            raise CannotStart(TaskStatus.NOT_ALLOWED, str(error)) from error

    def _check_reader(self, assignment: Assignment) -> None:
        """Whoever asked must be able to read the answer; said before it is computed."""
        if isinstance(self._cryptor, RSACryptor) and not self._initiators_key(assignment):
            raise CannotStart(
                TaskStatus.START_FAILED,
                "The organization that asked has no public key, so no result can be "
                "encrypted for it",
            )

    def _make_container(self, assignment: Assignment, timeline: Timeline) -> None:
        input_ = self._read_input(assignment)
        database = self._choose_database(assignment)
        user = self._find_image(assignment)
        self._check_readable(database, user)
        files = self._workspace.prepare(assignment, input_, database)
        timeline.mark("prepare")
        try:
            self._runner.create(
                container_settings(
                    assignment,
                    self._settings.identity,
                    files,
                    database,
                    self._settings.rules,
                    own_user(user, *self._settings.user),
                )
            )
        except EngineUnreachable:
            raise
        except RunnerError as error:
            raise CannotStart(TaskStatus.START_FAILED, str(error)) from error
        timeline.mark("create")

    def _read_input(self, assignment: Assignment) -> bytes:
        try:
            input_ = decode_input(self._cryptor, assignment.input)
            self._settings.policy.check_input(input_)
        except EncryptionError as error:
            raise CannotStart(
                TaskStatus.START_FAILED, f"The input cannot be decrypted at this node: {error}"
            ) from error
        except NotAllowed as error:
            raise CannotStart(TaskStatus.NOT_ALLOWED, str(error)) from error
        return input_

    def _choose_database(self, assignment: Assignment) -> Database:
        try:
            return self._settings.databases.choose(assignment.database)
        except DatabaseMissing as error:
            raise CannotStart(TaskStatus.START_FAILED, str(error)) from error

    def _find_image(self, assignment: Assignment) -> str:
        """The user that the image wants; the image is fetched where it is not here."""
        user = self._runner.image_user(assignment.image)
        if user is not None:
            return user
        log.info("%s: fetching the image %s", assignment, assignment.image)
        self._tell(assignment, TaskStatus.INITIALIZING)
        try:
            self._runner.pull(assignment.image)
        except ImageMissing as error:
            raise CannotStart(TaskStatus.NO_DOCKER_IMAGE, str(error)) from error
        return self._runner.image_user(assignment.image) or ""

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
        self._tell(assignment, TaskStatus.ACTIVE, _now())

    def _tell(
        self, assignment: Assignment, status: TaskStatus, started_at: str | None = None
    ) -> None:
        """Tell the progress once: the report at the end says all of it again."""
        try:
            self._server.tell_progress(assignment.result_id, status, started_at)
        except (ServerError, ServerUnreachable) as error:
            log.warning("%s: the server was not told that it is %s: %s", assignment, status, error)

    def _readmit(self, assignment: Assignment) -> Event | None:
        token = self._workspace.read_token(assignment)
        try:
            folder = self._runner.sandbox(assignment.result_id)
        except ContainerMissing as error:
            log.warning("%s runs on without a way to the server: %s", assignment, error)
            return None
        self._proxy.admit(assignment.result_id, folder, token)
        return None

    # Collect

    def _collect(self, assignment: Assignment) -> Event:
        self._proxy.dismiss(assignment.result_id)
        logs = self._settings.logs
        lines = None if logs.share == "always" else logs.lines
        try:
            ending = self._runner.ending(assignment.result_id, lines)
        except ContainerMissing:
            report = _report(
                TaskStatus.CRASHED, "The container vanished from the engine before it had ended"
            )
        else:
            report = self._judge(assignment, ending)
        self._workspace.save_report(assignment.result_id, report)
        return Collected(report)

    def _judge(self, assignment: Assignment, ending: Ending) -> Report:
        """What the end of a container means for its run."""
        remark = self._settings.databases.remark(assignment.database)
        return Report(
            status=TaskStatus.CRASHED if ending.exit_code else TaskStatus.COMPLETED,
            log=self._shared_log(ending, remark),
            finished_at=ending.finished_at,
            started_at=ending.started_at,
            has_output=not ending.exit_code,
        )

    def _shared_log(self, ending: Ending, remark: str) -> str:
        """What the researcher gets to read: the reason first, the algorithm's words last."""
        logs, failed = self._settings.logs, bool(ending.exit_code)
        shared = logs.share == "always" or (failed and logs.share == "on_failure")
        reason = _reason(ending, self._settings.rules.limits.memory) if failed else ""
        words = ending.log[-logs.characters :].replace("\0", "").strip() if shared else ""
        return "\n".join(part for part in (remark, reason, words) if part)

    # Deliver

    def _deliver(self, assignment: Assignment, report: Report) -> Event:
        try:
            result = self._result(assignment, report)
            self._server.deliver(assignment.result_id, report, result)
        except (OutputUnusable, EncryptionError) as error:
            return Rejected(_as_failure(report, str(error)))
        except ServerError as error:
            if error.status not in _DEFINITE:
                return Postponed(str(error))
            if not self._server.wants(assignment.result_id):
                return Gone()
            return Rejected(_as_failure(report, f"The server does not take the result: {error}"))
        return Delivered()

    def _result(self, assignment: Assignment, report: Report) -> str:
        """The text of the result as it goes over the wire; only its initiator can read it."""
        if not report.has_output:
            return ""
        output = self._workspace.read_output(assignment.result_id, self._settings.output_limit)
        key = self._initiators_key(assignment) if isinstance(self._cryptor, RSACryptor) else ""
        return self._cryptor.encrypt_bytes_to_str(output, key)

    def _initiators_key(self, assignment: Assignment) -> str:
        if assignment.initiator is None:
            return ""
        return self._server.public_key(assignment.initiator, self._settings.collaboration_id)

    # Clean

    def _clean(self, assignment: Assignment) -> Event:
        self._remove(assignment.result_id)
        self._workspace.remove_temporary(assignment)
        return Cleaned()

    # What earlier processes left

    def undelivered(self, result_id: int) -> Report | None:
        """The report of an earlier process that the server has not acknowledged."""
        return self._workspace.load_report(result_id)

    def on_disk(self) -> set[int]:
        """The runs of which there are files."""
        return self._workspace.results()

    def sweep(self, result_id: int) -> None:
        """Remove what is left of a run that nobody waits for."""
        try:
            self._remove(result_id)
        except (RunnerError, OSError) as error:
            log.warning("What is left of run %d stays until the next start: %s", result_id, error)

    def close(self) -> None:
        """Let no algorithm speak to the server any more."""
        self._proxy.close()

    def _remove(self, result_id: int) -> None:
        self._proxy.dismiss(result_id)
        self._runner.remove(result_id)
        try:
            self._workspace.remove(result_id)
        except PermissionError:
            # The algorithm ran as a user of its image and made folders of its own.
            self._runner.empty(self._workspace.folder(result_id))
            self._workspace.remove(result_id)


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


def _report(status: TaskStatus, reason: str) -> Report:
    return Report(status=status, log=reason, finished_at=_now())


def _as_failure(report: Report, reason: str) -> Report:
    """The report without its output, for a reason that comes before what was said already."""
    text = "\n".join(part for part in (reason, report.log) if part)
    return replace(report, status=TaskStatus.FAILED, log=text, has_output=False)


def _reason(ending: Ending, memory: int) -> str:
    if ending.out_of_memory:
        return (
            f"The algorithm needed more than the {memory / 2**20:.0f} MiB of memory that this "
            "node allows, and was stopped"
        )
    return f"The algorithm ended with exit code {ending.exit_code}"


def _log_lost(told: "Future[None]", assignment: Assignment) -> None:
    """Wait for a call that ran beside; what it raises is no reason to stop a started run."""
    error = told.exception()
    if error:
        log.warning("%s: telling the server of its start failed: %s", assignment, error)


def _now() -> str:
    """Now, as the classic line writes times: UTC, microseconds, no offset."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
