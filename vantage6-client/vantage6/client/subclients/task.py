"""Tasks."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vantage6.client.base import ListedSubClient
from vantage6.client.filter import post_filtering
from vantage6.client.offline import look_who_is_offline
from vantage6.client.outcome import Naming, Outcome
from vantage6.client.tables import as_frame, as_one_frame
from vantage6.client.transfer import transfers_shown
from vantage6.client.waiting import wait_for_task, wait_until_stopped
from vantage6.common.client.settled import Deadline
from vantage6.common.serialization import JSON

if TYPE_CHECKING:
    import pandas

Ids = list[int]


class TaskSubClient(ListedSubClient):
    """Questions to the nodes."""

    @post_filtering(iterable=False)
    def get(self, id_: int, include_results: bool = False) -> Any:
        """One task.

        Parameters
        ----------
        id_ : int
        include_results : bool
            Whether its results come with it.
        """
        return self._get(f"task/{id_}", {"include": "results" if include_results else None})

    @post_filtering(iterable=True)
    def list(
        self,
        initiator: int | None = None,
        initiating_user: int | None = None,
        collaboration: int | None = None,
        image: str | None = None,
        parent: int | None = None,
        run: int | None = None,
        name: str | None = None,
        include_results: bool = False,
        description: str | None = None,
        database: str | None = None,
        result: int | None = None,
        page: int | None = 1,
        per_page: int | None = 20,
        include_metadata: bool = True,
    ) -> Any:
        """Tasks, the newest first.

        Parameters
        ----------
        initiator, initiating_user : int, optional
            Ids of the organization and the user who asked.
        collaboration, parent, run, result : int, optional
            Ids.
        image, name, description, database : str, optional
            Patterns, with `%` for anything.
        include_results : bool
            Whether their results come with them, without what they hold.
        page, per_page : int
        include_metadata : bool
            Whether to get the links to other pages too.
        """
        filters = {
            "initiator_id": initiator,
            "init_user_id": initiating_user,
            "collaboration_id": collaboration,
            "image": image,
            "parent_id": parent,
            "run_id": run,
            "name": name,
            "description": description,
            "database": database,
            "result_id": result,
        }
        include = ["results"] if include_results else []
        return self._page("task", filters, page, per_page, include_metadata, include)

    @post_filtering(iterable=False)
    def create(
        self,
        collaboration: int,
        organizations: Ids,
        name: str = "",
        image: str = "",
        description: str = "",
        input: Any = None,
        data_format: str = JSON,
        database: str = "default",
        *,
        method: str | None = None,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        master: bool = False,
        quorum: int | None = None,
        deadline: Deadline | None = None,
        require_online: bool = False,
    ) -> Any:
        """Ask the nodes of organizations to run an algorithm.

        What they shall do is said by `method` and its arguments, or the classic way by `input`.
        Organizations whose nodes are offline just now are named in a warning, `NodesOffline`.

        Parameters
        ----------
        collaboration : int
        organizations : list of int
            Where the algorithm shall run. For an algorithm with a central function that is
            one organization; the function itself asks the others.
        name, description : str
            For people; not encrypted. Without a name, that of the image, which is not either.
        image : str
            The algorithm's image.
        input : dict, optional
            `method`, and where needed `master`, `args`, `kwargs`.
        data_format : str
            JSON unless asked otherwise; `legacy` for images that read pickles only. The
            answer is asked for in the same format.
        database : str
            Label of the database at the nodes.
        method : str, optional
            The function to call, without the prefix `RPC_`. Tables, arrays, dates and the like
            in its answer come back as what they were, where its image knows how to say it;
            after a classic `input` they come as plain JSON.
        args, kwargs : sequence, mapping
            What it gets. A `vantage6.client.File` among them is read while it is sent, however
            large it is; the function gets its bytes.
        master : bool
            Whether it is a central function.
        quorum : int, optional
            How many of the organizations have to answer; all where nothing is said. With as many
            answers, or once so many cannot come any more, the task is over. What comes later is
            kept, and marked as late.
        deadline : datetime, timedelta or str, optional
            When the task is over in any case: a moment (local time where it has no zone), or how
            long from now.
        require_online : bool
            Whether to ask nobody unless as many nodes are online as have to answer.

        Returns
        -------
        dict
            The task; its `id` is what `wait` needs. `{"msg": ...}` where the server refused.

        Raises
        ------
        ValueError
            When there is no image, or both or neither of `method` and `input`; or quorum and
            deadline make no sense.
        Unsupported
            When a server of the classic line is to know a quorum or a deadline.
        TooFewOnline
            With `require_online`; the text names those that are offline.
        EncryptionError
            When encryption has not been set up, or an organization has no public key.

        Examples
        --------
        >>> task = client.task.create(
        ...     1, [1], image="v6-average-py", method="master", master=True,
        ...     kwargs={"column_name": "age"},
        ... )
        >>> client.task.wait(task["id"])
        """
        if not image:
            raise ValueError("Name the image of the algorithm: image=...")
        if method is None:
            input_ = _classic(input, args, kwargs, master)
        elif input is not None:
            raise ValueError("Say what to do either by method or by input, not by both")
        else:
            input_ = _call(method, args, kwargs, master)
        look_who_is_offline(
            self.parent, collaboration, organizations, quorum, required=require_online
        )
        return self.parent.post_task(
            name or image.rpartition("/")[2],
            image,
            collaboration,
            input_=input_,
            description=description,
            organization_ids=organizations,
            data_format=data_format,
            database=database,
            quorum=quorum,
            deadline=deadline,
        )

    def delete(self, id_: int) -> None:
        """Remove a task with its results."""
        self._delete(f"task/{id_}")

    def delete_payload(self, id_: int) -> Any:
        """Delete inputs, results and logs of a task and its subtasks; all else of them stays.

        Returns
        -------
        dict
            `runs` and `bytes` that were deleted. `{"msg": ...}` where the server refused, as it
            does while a run is open.
        """
        return self._delete(f"task/{id_}/payload")

    def kill(self, id_: int, wait: float | None = None) -> Any:
        """Stop a task that runs, with its subtasks and the task that it is a subtask of.

        Its runs end at once as "killed by user"; the nodes stop their containers, and confirm it.

        Parameters
        ----------
        id_ : int
        wait : float, optional
            For how many seconds to wait until all nodes have confirmed that nothing runs any
            more. Nodes of the classic line confirm nothing.

        Raises
        ------
        TimeoutError
            When a node did not confirm; the text says which runs it is about.
        """
        answer = self._post("kill/task", {"id": id_})
        if wait is not None:
            wait_until_stopped(self.parent, self._get(f"task/{id_}")["run_id"], wait)
        return answer

    def wait(
        self,
        id_: int,
        timeout: float | None = None,
        *,
        show_progress: bool = True,
        by_organization: Naming = False,
        allow_failures: bool = False,
        allow_pickle: bool | None = None,
    ) -> Any:
        """Wait until a task is over and return its values.

        One with a quorum or a deadline may be over before all of its runs are.

        In a terminal and in a notebook the runs of the task and its subtasks are shown as they
        go on, elsewhere each change is one line; all of it on standard error. In a terminal,
        `l` shows the logs of runs that end, and `k`, pressed twice, kills the task. Ctrl-C
        leaves the wait; the task goes on.

        Parameters
        ----------
        id_ : int
        timeout : float, optional
            Seconds; without it, as long as it takes.
        show_progress : bool
            Whether to show anything.
        by_organization, allow_failures, allow_pickle
            As for `results`.

        Returns
        -------
        list, dict or Answers
            As `results`.

        Raises
        ------
        TaskFailed
            When a run failed; the text tells where, why, and the last lines of its log.
        TimeoutError
            When it took longer than `timeout`. The task goes on.
        ServerError
            When there is no such task, or it is not for you to see.
        """
        wait_for_task(self.parent, id_, timeout, show_progress=show_progress)
        return self.results(
            id_,
            show_progress=show_progress,
            by_organization=by_organization,
            allow_failures=allow_failures,
            allow_pickle=allow_pickle,
        )

    def results(
        self,
        id_: int,
        *,
        by_organization: Naming = False,
        allow_failures: bool = False,
        allow_pickle: bool | None = None,
        show_progress: bool = True,
        late: bool = False,
    ) -> Any:
        """The values of a task that is over.

        Parameters
        ----------
        id_ : int
        by_organization : bool or str
            Whether to name whose value is whose: True or "name" by the organization's name,
            "id" by its id.
        allow_failures : bool
            Whether runs may fail. Then what is returned has `answers` and `failures`, each by
            organization (its id where nothing is said); a failure has `status`, `reason` and
            `log`. Who is missing or late is among the failures.
        allow_pickle : bool, optional
            Whether to read pickled results; as the client says where nothing is said.
        show_progress : bool
            Whether to show how far a large download is.
        late : bool
            Whether answers count that came after the task was settled.

        Returns
        -------
        list, dict or Answers
            One value for each organization that was asked, in the order of the results.

        Raises
        ------
        TaskFailed
            When a run failed; the text tells where, why, and the last lines of its log. Its
            `answers` hold what came back all the same, by the id of the organization.
        TaskUnfinished
            When a run has not ended yet.
        EncryptionError
            When a result was encrypted for another key than yours.
        DeserializationException
            When a result cannot be read, or is a pickle and those are not allowed.
        PayloadDeleted
            When a result is no longer kept.
        ValueError
            When an organization was asked more than once, and values are to be had by
            organization.

        Examples
        --------
        >>> client.task.results(7)
        [0.4, 0.6]
        >>> client.task.results(7, by_organization=True)
        {'north': 0.4, 'south': 0.6}
        >>> client.task.results(8, allow_failures=True).failures
        {2: Failure(organization=2, status='crashed', reason='...', log=[...])}
        """
        outcome = self._outcome(id_, allow_pickle, show_progress)
        if allow_failures:
            return outcome.answers(by_organization or "id", late=late)
        if by_organization:
            return outcome.by_organization(by_organization, late=late)
        return outcome.values(late=late)

    def table(
        self,
        id_: int,
        key: str | None = None,
        *,
        allow_pickle: bool | None = None,
        show_progress: bool = True,
        late: bool = False,
    ) -> "pandas.DataFrame":
        """The answer of a task that is over as a table.

        Parameters
        ----------
        id_ : int
        key : str, optional
            Where in the answer the table is, for answers with several.
        allow_pickle, show_progress, late
            As for `results`.

        Returns
        -------
        pandas.DataFrame
            Where several organizations answered, all their tables, one after the other; the
            outermost level of the index is the organization's name.

        Raises
        ------
        ValueError
            When there is no table in the answer, or more than one and none was named; the text
            names what is there. `vantage6.client.tables.as_frame` says what counts as one.
        TaskFailed, TaskUnfinished, EncryptionError, DeserializationException
            As for `results`.
        """
        outcome = self._outcome(id_, allow_pickle, show_progress)
        if not outcome.runs:
            raise ValueError(f"Task {id_} has no results, or none that you may see")
        if len(outcome.runs) == 1:
            return as_frame(outcome.values(late=late)[0], key)
        return as_one_frame(outcome.by_organization(late=late), key)

    def _outcome(self, id_: int, allow_pickle: bool | None, show_progress: bool) -> Outcome:
        with transfers_shown(self.parent, show_progress):
            return Outcome.load(self.parent, id_, allow_pickle)


def _call(
    method: str, args: Sequence[Any], kwargs: Mapping[str, Any] | None, master: bool
) -> dict[str, Any]:
    """The input that makes a wrapper call a function, and answer with the types of its values."""
    call = {"method": method, "args": [*args], "kwargs": {**(kwargs or {})}, "typed": True}
    return {**call, "master": True} if master else call


def _classic(input_: Any, args: Sequence[Any], kwargs: Any, master: bool) -> Any:
    """An input that was given whole."""
    if input_ is None:
        raise ValueError("Say what the algorithm shall do: method=..., or input={...}")
    if args or kwargs or master:
        raise ValueError("args, kwargs and master go with method; an input holds its own")
    return input_
