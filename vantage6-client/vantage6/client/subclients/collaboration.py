"""Collaborations."""

from typing import Any

from vantage6.client.base import ListedSubClient
from vantage6.client.filter import post_filtering

Ids = list[int]


class CollaborationSubClient(ListedSubClient):
    """Who works together."""

    @post_filtering(iterable=True)
    def list(
        self,
        scope: str = "organization",
        name: str | None = None,
        encrypted: bool | None = None,
        organization: int | None = None,
        page: int | None = 1,
        per_page: int | None = 20,
        include_metadata: bool = True,
    ) -> Any:
        """Collaborations.

        Parameters
        ----------
        scope : str
            "organization" for those of your organization, as a plain list and without a
            look at the other parameters; "global" for all that you may see.
        name : str, optional
            Pattern of the name, with `%` for anything.
        encrypted : bool, optional
        organization : int, optional
            Id of a member.
        page, per_page : int
        include_metadata : bool
            Whether to get the links to other pages too.

        Returns
        -------
        list of dict, or dict
            A page with `data` and `links`, or the plain list. None for another scope.
        """
        if scope == "organization":
            return self._get(f"organization/{self._own_organization()}/collaboration")
        if scope != "global":
            self.parent.log.error("There is no scope %r: it is organization or global", scope)
            return None
        filters = {
            "name": name,
            "encrypted": None if encrypted is None else int(encrypted),
            "organization_id": organization,
        }
        return self._page("collaboration", filters, page, per_page, include_metadata)

    @post_filtering(iterable=False)
    def get(self, id_: int, include_tasks: bool = True) -> Any:
        """One collaboration.

        Parameters
        ----------
        id_ : int
        include_tasks : bool
            Whether the links to its tasks come with it, of which there may be many.
        """
        return self._get(f"collaboration/{id_}", {"exclude": None if include_tasks else "tasks"})

    @post_filtering(iterable=False)
    def create(
        self,
        name: str,
        organizations: Ids,
        encrypted: bool = False,
        *,
        retention_days: int | None = None,
    ) -> Any:
        """Start a collaboration.

        Parameters
        ----------
        name : str
        organizations : list of int
            Ids of the members.
        encrypted : bool
            Whether inputs and results are encrypted between the members.
        retention_days : int, optional
            For how many days after the end of a run its input, result and log are kept; for ever
            where nothing is said.
        """
        body = {
            "name": name,
            "organization_ids": organizations,
            "encrypted": encrypted,
            "retention_days": retention_days,
        }
        return self._post("collaboration", body)

    @post_filtering(iterable=False)
    def set_retention(self, id_: int, days: int | None) -> Any:
        """Say for how long a collaboration keeps inputs, results and logs of runs that ended.

        What is older by now is deleted soon, and cannot be had back.

        Parameters
        ----------
        id_ : int
        days : int, optional
            None for ever.
        """
        body = {"retention_days": days}
        return self.parent.request(f"collaboration/{id_}", json=body, method="patch")
