"""What all sub-clients have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vantage6.client.filter import SELECTION, is_refusal, select
from vantage6.common.exceptions import Vantage6Error

if TYPE_CHECKING:
    from vantage6.client.client import UserClient

Reply = dict[str, Any]

ITEMS_PER_PAGE = 100


class SubClient:
    """The part of a client that deals with one kind of thing.

    Parameters
    ----------
    parent : UserClient
        Makes the calls.
    """

    def __init__(self, parent: "UserClient") -> None:
        self.parent = parent

    def _get(self, endpoint: str, params: Mapping[str, Any] | None = None) -> Any:
        return self.parent.request(endpoint, params=given(params or {}))

    def _post(self, endpoint: str, body: Mapping[str, Any]) -> Any:
        return self.parent.request(endpoint, json=given(body), method="post")

    def _patch(self, endpoint: str, body: Mapping[str, Any]) -> Any:
        return self.parent.request(endpoint, json=given(body), method="patch")

    def _delete(self, endpoint: str) -> Any:
        return self.parent.request(endpoint, method="delete")

    def _page(
        self,
        endpoint: str,
        filters: Mapping[str, Any],
        page: int | None,
        per_page: int | None,
        include_metadata: bool,
        include: Iterable[str] = (),
    ) -> Any:
        """One page of a list: `data` and `links`, or without metadata the bare list."""
        wanted = [*include, *(["metadata"] if include_metadata else [])]
        numbers = {"page": page, "per_page": per_page, "include": wanted or None}
        return self._get(endpoint, {**filters, **numbers})

    def _own_organization(self) -> int:
        return self.parent.whoami_or_fail().organization_id


class ListedSubClient(SubClient, ABC):
    """A sub-client for a kind of thing of which there are many."""

    @abstractmethod
    def list(self, *args: Any, **kwargs: Any) -> Any:
        """One page of them."""

    def iterate(self, per_page: int = ITEMS_PER_PAGE, **filters: Any) -> Iterator[Reply]:
        """All of them, one after another; pages are fetched as they are needed.

        What is added or removed meanwhile may be missed; nothing comes twice.

        Parameters
        ----------
        per_page : int
            How many are fetched at a time.
        **filters
            As for `list`, the choice of fields too.

        Raises
        ------
        Vantage6Error
            When the server refuses; the text is its own.
        """
        chosen = {name: filters.pop(name) for name in SELECTION if name in filters}
        seen: set[int] = set()
        page: int | None = 1
        while page is not None:
            reply = self.list(page=page, per_page=per_page, **filters)
            if is_refusal(reply):
                raise Vantage6Error(reply["msg"])
            paged = isinstance(reply, dict)
            for item in reply["data"] if paged else reply:
                if item["id"] not in seen:
                    seen.add(item["id"])
                    yield from select([item], **chosen)
            page = page + 1 if paged and reply["links"].get("next") else None


def given(fields: Mapping[str, Any]) -> Reply:
    """The fields that were given: None means that the caller said nothing."""
    return {name: value for name, value in fields.items() if value is not None}
