"""The client of algorithms in the words of later releases: a sub-client for each kind of thing.

Each does what methods of the container client do under their classic names.
"""

from typing import TYPE_CHECKING, Any

from vantage6.common.client.settled import Deadline

if TYPE_CHECKING:
    from vantage6.common.client.container import ContainerClient

Entry = dict[str, Any]
Entries = list[Entry]
Ids = list[int]


class ContainerSubClient:
    """Calls that belong together."""

    def __init__(self, parent: "ContainerClient") -> None:
        self.parent = parent


class TaskSubClient(ContainerSubClient):
    """Subtasks."""

    def get(self, task_id: int) -> Entry:
        """A task; `complete` tells whether all its runs have ended."""
        return self.parent.get_task(task_id)

    def create(
        self,
        input_: Any,
        organizations: Ids | None = None,
        name: str = "subtask",
        description: str | None = None,
        *,
        organization_ids: Ids | None = None,
        quorum: int | None = None,
        deadline: Deadline | None = None,
    ) -> Entry:
        """Create a subtask that runs this image at other organizations.

        Parameters
        ----------
        input_ : dict
            `method`, `args`, `kwargs` of the function to call there.
        organizations, organization_ids : list of int
            Where it shall run; one of the two spellings.
        name, description : str, optional
            For people; not encrypted.
        quorum, deadline
            How many have to answer, and by when; as for `create_new_task`.

        Raises
        ------
        ValueError
            When both spellings are used.
        """
        if organizations is not None and organization_ids is not None:
            raise ValueError("Name the organizations once: organizations, or organization_ids")
        return self.parent.create_new_task(
            input_,
            organizations if organization_ids is None else organization_ids,
            name=name,
            description=description,
            quorum=quorum,
            deadline=deadline,
        )


class ResultSubClient(ContainerSubClient):
    """Values of answers."""

    def from_task(self, task_id: int) -> list[Any]:
        """The values of the runs of a task that have one."""
        return self.parent.get_results(task_id)

    def get(self, id_: int | None = None, *, task_id: int | None = None) -> list[Any]:
        """The same, as the first release with sub-clients has it: `id_` is that of the task.

        Raises
        ------
        ValueError
            When no task is named.
        """
        found = id_ if task_id is None else task_id
        if found is None:
            raise ValueError("Name the task whose results are wanted: task_id")
        return self.from_task(found)


class RunSubClient(ContainerSubClient):
    """Runs, with their states."""

    def get(self, id_: int) -> Entry:
        """One run; its `organization` is a link here, and a number in `from_task`."""
        run: Entry = self.parent.send("get", f"result/{id_}")
        return run

    def from_task(self, task_id: int) -> Entries:
        """The runs of a task as the server shows them, with `organization` and `status`."""
        return self.parent.get_runs(task_id)


class OrganizationSubClient(ContainerSubClient):
    """The organizations that take part."""

    def get(self, id_: int) -> Entry:
        """One organization."""
        organization: Entry = self.parent.send("get", f"organization/{id_}")
        return organization

    def list(self) -> Entries:
        """All of the collaboration, each with `id`, `name` and more."""
        return self.parent.get_organizations_in_my_collaboration()


class CollaborationSubClient(ContainerSubClient):
    """The collaboration of this container."""

    def get(self) -> Entry:
        """It, with its `name`."""
        collaboration: Entry = self.parent.send(
            "get", f"collaboration/{self.parent.collaboration_id}"
        )
        return collaboration
