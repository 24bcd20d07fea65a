"""Rules."""

from typing import Any

from vantage6.client.base import ListedSubClient
from vantage6.client.filter import post_filtering


class RuleSubClient(ListedSubClient):
    """What can be allowed."""

    @post_filtering(iterable=False)
    def get(self, id_: int) -> Any:
        """One rule."""
        return self._get(f"rule/{id_}")

    @post_filtering(iterable=True)
    def list(
        self,
        name: str | None = None,
        operation: str | None = None,
        scope: str | None = None,
        role: int | None = None,
        page: int | None = 1,
        per_page: int | None = 20,
        include_metadata: bool = True,
    ) -> Any:
        """Rules.

        Parameters
        ----------
        name : str, optional
            Of what the rule is about, such as `task`.
        operation, scope : str, optional
            Such as `VIEW` and `GLOBAL`.
        role : int, optional
            Id of a role that has them.
        page, per_page : int
        include_metadata : bool
            Whether to get the links to other pages too.
        """
        filters = {"name": name, "operation": operation, "scope": scope, "role_id": role}
        return self._page("rule", filters, page, per_page, include_metadata)
