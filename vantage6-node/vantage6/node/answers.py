"""Opens the results of subtasks wherever they stand in an answer of the server."""

import logging
from collections.abc import Callable
from typing import Any

from vantage6.common.correspondence import Answer
from vantage6.common.exceptions import NotForUs
from vantage6.common.text import bytes_to_base64s
from vantage6.node.subtasks import Incoming

log = logging.getLogger(__name__)


class Opening:
    """Puts what is in the envelopes of results into their place, as base64.

    Parameters
    ----------
    open_result : callable
        Opens one; an error of it is one of the whole answer. None where they are not encrypted.
    incoming : Incoming
        Those that the server does not show.
    """

    def __init__(self, open_result: Callable[[Answer], bytes] | None, incoming: Incoming) -> None:
        self._open_result, self._incoming = open_result, incoming

    def open_all(self, content: Any, task_id: int | None, result_id: int | None) -> None:
        """Open the results in an answer: alone, in lists, pages, and inside tasks.

        Parameters
        ----------
        content
            The decoded answer; changed in place.
        task_id, result_id : int, optional
            What was asked for; whatever the server says it is, it has to be of that.

        Raises
        ------
        EncryptionError
            For a result that is not what it should be.
        """
        if isinstance(content, list):
            for item in content:
                self.open_all(item, task_id, result_id)
        elif isinstance(content, dict):
            self.open_all(content.get("data"), task_id, result_id)
            if "results" in content:
                of_task = content.get("id") if task_id is None else task_id
                self.open_all(content["results"], of_task, result_id)
            if isinstance(content.get("result"), str) and content["result"]:
                self._open(content, task_id, result_id)
            elif content.get("result_stored"):
                self._get(content, task_id, result_id)

    def _open(self, result: dict[str, Any], task_id: int | None, result_id: int | None) -> None:
        if self._open_result is None:
            return
        answer = self._incoming.answer(result, task_id, result_id)
        try:
            result["result"] = bytes_to_base64s(self._open_result(answer))
        except NotForUs as error:
            log.debug("A result is passed on as it is: %s", error)

    def _get(self, result: dict[str, Any], task_id: int | None, result_id: int | None) -> None:
        try:
            result["result"] = self._incoming.fetch(result, task_id, result_id)
        except NotForUs as error:
            log.debug("A result is not fetched: %s", error)
