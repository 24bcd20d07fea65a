"""The questions of an algorithm in containers: its image, a federation, and what it answers."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from vantage6.common.client.answers import sort_out
from vantage6.common.client.base import ClientBase
from vantage6.common.client.failure import log_lines
from vantage6.common.exceptions import Vantage6Error
from vantage6.common.task_status import is_failure, status_of
from vantage6.tools.cli.declaration import Declaration, Question
from vantage6.tools.cli.interruption import Interruption
from vantage6.tools.local_federation import Federation, Hospital

_BUILD_SECONDS = 600
_LONG_POLL = 20.0
_LAST_LINES = 12
_ATTEMPTS = 3
Say = Callable[[str], None]


class BuildFailed(Vantage6Error):
    """The image of the algorithm could not be built; the text has the last lines of the build."""


class Outcome(NamedTuple):
    """What came of one question.

    Attributes
    ----------
    answers, failures : dict
        By the name of the site.
    seconds : float
    logs : list of str
        The lines of runs that failed, those of subtasks too.
    """

    answers: dict[str, Any]
    failures: dict[str, str]
    seconds: float
    logs: list[str]


@contextmanager
def built_image(folder: Path, tag: str) -> Iterator[str]:
    """The image of the algorithm in a folder, as long as it is needed.

    Raises
    ------
    EngineUnreachable
        When no container engine answers.
    BuildFailed
        When its Dockerfile is missing or does not build.
    """
    from docker.errors import APIError

    from vantage6.common.engine import connect

    if not (folder / "Dockerfile").is_file():
        raise BuildFailed(f"There is no Dockerfile in {folder}")
    api = connect(timeout=_BUILD_SECONDS, connections=1)
    try:
        said: list[str] = []
        try:
            for word in api.build(path=str(folder), tag=tag, rm=True, forcerm=True, decode=True):
                said += word.get("stream", "").splitlines()
                if "error" in word:
                    raise BuildFailed(_build_failure(said, word["error"]))
        except APIError as error:
            raise BuildFailed(_build_failure(said, str(error.explanation or error))) from error
        yield tag
    finally:
        api.close()
        remove_image(tag)


def remove_image(tag: str) -> None:
    """Remove an image, which may not be there.

    Raises
    ------
    EngineUnreachable
        When no container engine answers.
    """
    from vantage6.common.engine import connect

    with closing(connect(timeout=_BUILD_SECONDS, connections=1)) as api:
        _remove(api, tag)


def _remove(api: Any, tag: str) -> None:
    from docker.errors import APIError, ImageNotFound

    for attempt in range(_ATTEMPTS):
        try:
            api.remove_image(tag, force=True)
        except ImageNotFound:
            return
        except APIError:
            # Another trial removes layers that both share; the engine then loses its way for once.
            if attempt == _ATTEMPTS - 1:
                raise


def federation(declared: Declaration, folder: Path, image: str) -> Federation:
    """A federation with a node for each site that runs this image and no other."""
    # The image was built a moment ago; nobody else's of that name shall take its place.
    config = {"image_pull": "never"}
    hospitals = [
        Hospital(name, Path(databases["default"]), {"databases": databases, **config})
        for name, databases in declared.sites.items()
    ]
    return Federation(folder, hospitals, [f"^{image}$"], encrypted=False)


def start(members: Federation, interruption: Interruption) -> None:
    """Start server and nodes; no process of them is ever without a record."""
    members.prepare()
    with interruption.held():
        members.start_server()
    for hospital in members.hospitals:
        with interruption.held():
            members.start_node(hospital)
    members.wait_for_nodes()


class Inquiry:
    """Asks questions as a researcher would.

    Parameters
    ----------
    members : Federation
        Running.
    image : str
    timeout : float
        Seconds that one question may take.
    """

    def __init__(self, members: Federation, image: str, timeout: float) -> None:
        self._client = members.connection()
        self._image, self._timeout = image, timeout
        self.ids = members.organization_ids(self._client)
        self._names = {id_: name for name, id_ in self.ids.items()}
        (self._collaboration,) = self._client.send(
            "get", "collaboration", params={"page": 1, "per_page": 1}
        )

    def ask(self, question: Question) -> Outcome:
        """Ask one question and wait for what comes of it.

        Raises
        ------
        ServerError
            When the server refuses the task.
        """
        started = time.monotonic()
        task_id = self._create(question)
        is_over = self._wait(task_id)
        seconds = time.monotonic() - started
        runs = self._runs(task_id)
        if not is_over:
            open_ = [self._names[run["organization"]] for run in runs if not run["finished_at"]]
            reason = f"it did not end within {self._timeout:g} seconds"
            return Outcome({}, dict.fromkeys(open_, reason), seconds, self._logs(task_id, runs))
        asked = sort_out(runs, allow_pickle=False)
        answers = {self._names[id_]: value for id_, value in asked.answers.items()}
        failures = {
            self._names[id_]: f"{failure.status} - {failure.reason}"
            for id_, failure in asked.failures.items()
        }
        logs = self._logs(task_id, runs) if failures else []
        return Outcome(answers, failures, seconds, logs)

    def _create(self, question: Question) -> int:
        client = _Raising(self._client)
        task = client.post_task(
            question.name,
            self._image,
            self._collaboration["id"],
            question.input,
            organization_ids=[self.ids[site] for site in question.sites],
            database=question.database,
        )
        return int(task["id"])

    def _wait(self, task_id: int) -> bool:
        end = time.monotonic() + self._timeout
        while (left := end - time.monotonic()) > 0:
            wait = min(left, _LONG_POLL)
            task = self._client.send(
                "get", f"task/{task_id}", params={"wait": f"{wait:.3f}"}, read_timeout=wait + 30
            )
            if task["complete"]:
                return True
        return False

    def _runs(self, task_id: int) -> list[dict[str, Any]]:
        runs: list[dict[str, Any]] = self._client.send("get", f"task/{task_id}/result")
        return sorted(runs, key=lambda run: run["id"])

    def _logs(self, task_id: int, runs: list[dict[str, Any]]) -> list[str]:
        """The last lines of the runs that failed, or have not ended, of a task and its subtasks."""
        below = self._client.send("get", "task", params={"parent_id": task_id})
        found = [*runs, *(run for task in below for run in self._runs(task["id"]))]
        lines = []
        for run in found:
            status = status_of(run)
            if is_failure(status) or not run["finished_at"]:
                name = self._names[run["organization"]]
                lines += [f"{name}: {status.value}"]
                lines += [f"{name}: | {line}" for line in log_lines(run)[-_LAST_LINES:]]
        return list(dict.fromkeys(lines))


class _Raising(ClientBase):
    """A client that raises what the server refuses."""

    def __init__(self, other: ClientBase) -> None:
        vars(self).update(vars(other))

    def request(self, endpoint: str, json: Any = None, method: str = "get", *_: Any) -> Any:
        """Make one call."""
        return self.send(method, endpoint, json=json)


def _build_failure(said: list[str], error: str) -> str:
    last = [line.strip() for line in said if line.strip()][-_LAST_LINES:]
    return "\n".join([f"The image could not be built: {error}", *(f"  | {line}" for line in last)])
