"""Results."""

from pathlib import Path
from typing import Any

from vantage6.client.base import ListedSubClient, Reply, given
from vantage6.client.filter import post_filtering
from vantage6.client.saving import save
from vantage6.client.transfer import transfers_shown
from vantage6.common.client.purged import deletion
from vantage6.common.client.unverified import require_verified
from vantage6.common.exceptions import DeserializationException
from vantage6.common.serialization import deserialize

Period = tuple[str | None, str | None]


class ResultSubClient(ListedSubClient):
    """Answers of the nodes, decrypted and read."""

    @post_filtering(iterable=False)
    def get(self, id_: int, include_task: bool = False, allow_pickle: bool | None = None) -> Any:
        """One result.

        Parameters
        ----------
        id_ : int
        include_task : bool
            Whether the task comes with it.
        allow_pickle : bool, optional
            Whether to read a pickled result; as the client says where nothing is said. What
            cannot be read stays bytes.

        Raises
        ------
        EncryptionError
            When it cannot be trusted.
        """
        query = {"include": "task" if include_task else None, **self.parent.large_elsewhere()}
        reply = self._get(f"result/{id_}", query)
        reply = self.parent.decrypt_results(reply, result_id=id_)
        require_verified(reply)
        return self._read(reply, allow_pickle)

    @post_filtering(iterable=True)
    def list(
        self,
        task: int | None = None,
        organization: int | None = None,
        state: str | None = None,
        node: int | None = None,
        include_task: bool = False,
        started: Period | None = None,
        assigned: Period | None = None,
        finished: Period | None = None,
        port: int | None = None,
        page: int | None = None,
        per_page: int | None = None,
        include_metadata: bool = True,
        allow_pickle: bool | None = None,
        include_payload: bool = True,
    ) -> Any:
        """Results, the newest first.

        Parameters
        ----------
        task, organization, node : int, optional
            Ids.
        state : str, optional
            "open" for those that have not ended.
        include_task : bool
            Whether their tasks come with them.
        started, assigned, finished : tuple of str, optional
            Days from and till, as yyyy-mm-dd; None for an open end.
        port : int, optional
        page, per_page : int, optional
        include_metadata : bool
            Whether to get the links to other pages too.
        allow_pickle : bool, optional
            Whether to read pickled results; as the client says where nothing is said. What
            cannot be read stays bytes; what cannot be trusted stays encrypted, and
            `unverified` beside it says why.
        include_payload : bool
            Whether inputs and results come with them, also large ones.
        """
        filters = {
            "task_id": task,
            "organization_id": organization,
            "state": state,
            "node_id": node,
            "port": port,
            **_period("started", started),
            **_period("assigned", assigned),
            **_period("finished", finished),
            **self._inline(include_payload),
        }
        include = ["task"] * include_task + ["payload"] * include_payload
        reply = self._page("result", filters, page, per_page, include_metadata, include)
        if not include_payload:
            return reply
        return self._read(self.parent.decrypt_results(reply, task_id=task), allow_pickle)

    def _inline(self, include_payload: bool) -> dict[str, int]:
        """What asks the server for payloads up to our limit, or for none; classic ones do not ask.

        About one task it would show them all otherwise.
        """
        elsewhere = self.parent.large_elsewhere()
        return elsewhere if include_payload else dict.fromkeys(elsewhere, 0)

    @post_filtering(iterable=True)
    def from_task(
        self, task_id: int, include_task: bool = False, allow_pickle: bool | None = None
    ) -> Any:
        """The results of a task as a plain list.

        Raises
        ------
        EncryptionError
            When one cannot be trusted.
        DeserializationException
            When one cannot be read.
        """
        reply = self.parent.get_results(task_id=task_id, include_task=include_task)
        if isinstance(reply, dict):
            return reply  # the server's refusal
        for result in reply:
            require_verified(result)
        return [self._with_value(result, allow_pickle) for result in reply]

    def download(
        self,
        id_: int,
        path: Path | str,
        *,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> Path:
        """Write what a run answered to a file, however large it is.

        It is decrypted while it comes in, and has its name only once all of it is proven. What was
        cut off goes on where it was, also in another process: until then a file beside it,
        `.<name>.<digest>.part`, holds what came in.

        Parameters
        ----------
        id_ : int
            Of the result, as `client.result.from_task(...)` lists them.
        path : str or Path
            The file; its folder has to be there.
        overwrite : bool
            Whether a file that is there already is replaced.
        show_progress : bool
            Whether to show how far it is.

        Returns
        -------
        Path
            The file, with the bytes of the payload: `json.` and JSON, unless something else was
            asked for; `vantage6.client.deserialization.deserialize` reads them.

        Raises
        ------
        FileExistsError
            When there is such a file, and it is not to be replaced.
        TaskUnfinished, TaskFailed
            When there is no answer, not yet or never.
        PayloadDeleted
            When it is no longer kept.
        EncryptionError
            When it was made for another key, or cannot be trusted.
        ServerError, ServerUnreachable
            When the server cannot be asked, or refuses; begin again to go on.

        Examples
        --------
        >>> (result,) = client.result.list(task=7, include_payload=False)["data"]
        >>> client.result.download(result["id"], "model.json")
        PosixPath('model.json')
        """
        with transfers_shown(self.parent, show_progress):
            return save(self.parent, id_, Path(path).expanduser(), overwrite=overwrite)

    def _read(self, reply: Any, allow_pickle: bool | None) -> Any:
        """The reply with values in place of the bytes that can be read."""
        if isinstance(reply, dict) and isinstance(reply.get("data"), list):
            return {**reply, "data": self._read(reply["data"], allow_pickle)}
        if isinstance(reply, list):
            return [self._read(item, allow_pickle) for item in reply]
        try:
            return self._with_value(reply, allow_pickle)
        except DeserializationException as error:
            self.parent.log.warning("Result %s stays as it is: %s", reply.get("id"), error)
            return reply

    def _with_value(self, result: Reply, allow_pickle: bool | None) -> Reply:
        told = deletion(result)
        if told:
            # Else it would look like an empty one.
            return {**result, "deleted": told}
        if not isinstance(result.get("result"), bytes):
            return result
        allowed = self.parent.allow_pickle if allow_pickle is None else allow_pickle
        return {**result, "result": deserialize(result["result"], allow_pickle=allowed)}


def _period(name: str, period: Period | None) -> Reply:
    start, end = period or (None, None)
    return given({f"{name}_from": start, f"{name}_till": end})
