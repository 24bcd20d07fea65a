"""Users."""

from typing import Any

from vantage6.client.base import ListedSubClient
from vantage6.client.filter import post_filtering

Ids = list[int]


class UserSubClient(ListedSubClient):
    """People with an account."""

    @post_filtering(iterable=True)
    def list(
        self,
        username: str | None = None,
        organization: int | None = None,
        firstname: str | None = None,
        lastname: str | None = None,
        email: str | None = None,
        role: int | None = None,
        rule: int | None = None,
        last_seen_from: str | None = None,
        last_seen_till: str | None = None,
        page: int | None = 1,
        per_page: int | None = 20,
        include_metadata: bool = True,
    ) -> Any:
        """Users.

        Parameters
        ----------
        username, firstname, lastname, email : str, optional
            Patterns, with `%` for anything.
        organization, role, rule : int, optional
            Ids; a rule counts where the user holds it directly.
        last_seen_from, last_seen_till : str, optional
            Days, as yyyy-mm-dd.
        page, per_page : int
        include_metadata : bool
            Whether to get the links to other pages too.
        """
        filters = {
            "username": username,
            "organization_id": organization,
            "firstname": firstname,
            "lastname": lastname,
            "email": email,
            "role_id": role,
            "rule_id": rule,
            "last_seen_from": last_seen_from,
            "last_seen_till": last_seen_till,
        }
        return self._page("user", filters, page, per_page, include_metadata)

    @post_filtering(iterable=False)
    def get(self, id_: int | None = None) -> Any:
        """One user, yourself where nothing is said."""
        return self._get(f"user/{id_ or self._own_id()}")

    @post_filtering(iterable=False)
    def update(
        self,
        id_: int | None = None,
        firstname: str | None = None,
        lastname: str | None = None,
        organization: int | None = None,
        rules: Ids | None = None,
        roles: Ids | None = None,
        email: str | None = None,
    ) -> Any:
        """Change a user, yourself where nothing is said; the rest stays as it is.

        Parameters
        ----------
        rules, roles : list of int, optional
            All that the user shall have, in place of those of now.
        """
        body = {
            "firstname": firstname,
            "lastname": lastname,
            "organization_id": organization,
            "rules": rules,
            "roles": roles,
            "email": email,
        }
        return self._patch(f"user/{id_ or self._own_id()}", body)

    @post_filtering(iterable=False)
    def create(
        self,
        username: str,
        firstname: str,
        lastname: str,
        password: str,
        email: str,
        organization: int | None = None,
        roles: Ids | None = None,
        rules: Ids | None = None,
    ) -> Any:
        """Give somebody an account.

        Parameters
        ----------
        organization : int, optional
            Your own where nothing is said.
        roles, rules : list of int, optional
            What the user may do; you can give only what you may do yourself.
        """
        body = {
            "username": username,
            "firstname": firstname,
            "lastname": lastname,
            "password": password,
            "email": email,
            "organization_id": organization,
            "roles": roles or [],
            "rules": rules or [],
        }
        return self._post("user", body)

    def _own_id(self) -> int:
        return self.parent.whoami_or_fail().id_
