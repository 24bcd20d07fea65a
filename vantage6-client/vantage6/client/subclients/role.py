"""Roles."""

from typing import Any

from vantage6.client.base import ListedSubClient
from vantage6.client.filter import post_filtering

Ids = list[int]


class RoleSubClient(ListedSubClient):
    """Rules under a name."""

    @post_filtering(iterable=True)
    def list(
        self,
        name: str | None = None,
        description: str | None = None,
        organization: int | None = None,
        rule: int | None = None,
        user: int | None = None,
        include_root: bool | None = None,
        page: int | None = 1,
        per_page: int | None = 20,
        include_metadata: bool = True,
    ) -> Any:
        """Roles.

        Parameters
        ----------
        name, description : str, optional
            Patterns, with `%` for anything.
        organization, rule, user : int, optional
            Ids.
        include_root : bool, optional
            Together with `organization`: also the roles of no organization.
        page, per_page : int
        include_metadata : bool
            Whether to get the links to other pages too.
        """
        filters = {
            "name": name,
            "description": description,
            "organization_id": organization,
            "rule_id": rule,
            "user_id": user,
            "include_root": include_root or None,
        }
        return self._page("role", filters, page, per_page, include_metadata)

    @post_filtering(iterable=False)
    def get(self, id_: int) -> Any:
        """One role."""
        return self._get(f"role/{id_}")

    @post_filtering(iterable=False)
    def create(
        self, name: str, description: str, rules: Ids, organization: int | None = None
    ) -> Any:
        """Make a role.

        Parameters
        ----------
        name, description : str
        rules : list of int
            Ids; you can give only rules that you have.
        organization : int, optional
            Your own where nothing is said.
        """
        body = {
            "name": name,
            "description": description,
            "rules": rules,
            "organization_id": organization,
        }
        return self._post("role", body)

    @post_filtering(iterable=False)
    def update(
        self,
        role: int,
        name: str | None = None,
        description: str | None = None,
        rules: Ids | None = None,
    ) -> Any:
        """Change a role; what is not given stays as it is."""
        body = {"name": name, "description": description, "rules": rules}
        return self._patch(f"role/{role}", body)

    def delete(self, role: int) -> None:
        """Remove a role; those who have it lose it."""
        self._delete(f"role/{role}")
