"""What all sub-clients have in common."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vantage6.client.client import UserClient

Reply = dict[str, Any]


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


def given(fields: Mapping[str, Any]) -> Reply:
    """The fields that were given: None means that the caller said nothing."""
    return {name: value for name, value in fields.items() if value is not None}
