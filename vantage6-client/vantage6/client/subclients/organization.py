"""Organizations."""

from typing import Any

from vantage6.client.base import ListedSubClient
from vantage6.client.filter import post_filtering


class OrganizationSubClient(ListedSubClient):
    """Who owns data and who asks for it."""

    @post_filtering(iterable=True)
    def list(
        self,
        name: str | None = None,
        country: str | None = None,
        collaboration: int | None = None,
        page: int | None = None,
        per_page: int | None = None,
        include_metadata: bool = True,
    ) -> Any:
        """Organizations.

        Parameters
        ----------
        name : str, optional
            Pattern of the name, with `%` for anything.
        country : str, optional
        collaboration : int, optional
            Id of a collaboration that they are members of.
        page, per_page : int, optional
        include_metadata : bool
            Whether to get the links to other pages too.
        """
        filters = {"name": name, "country": country, "collaboration_id": collaboration}
        return self._page("organization", filters, page, per_page, include_metadata)

    @post_filtering(iterable=False)
    def get(self, id_: int | None = None) -> Any:
        """One organization, your own where nothing is said."""
        return self._get(f"organization/{id_ or self._own_organization()}")

    @post_filtering(iterable=False)
    def update(
        self,
        id_: int | None = None,
        name: str | None = None,
        address1: str | None = None,
        address2: str | None = None,
        zipcode: str | None = None,
        country: str | None = None,
        domain: str | None = None,
        public_key: str | None = None,
    ) -> Any:
        """Change an organization, your own where nothing is said; the rest stays as it is.

        Parameters
        ----------
        public_key : str, optional
            Base64 of the PEM text. All nodes and users of the organization have to use its
            private half from then on, and what was encrypted for the old one stays unread.
        """
        body = {
            "name": name,
            "address1": address1,
            "address2": address2,
            "zipcode": zipcode,
            "country": country,
            "domain": domain,
            "public_key": public_key,
        }
        return self._patch(f"organization/{id_ or self._own_organization()}", body)

    @post_filtering(iterable=False)
    def create(
        self,
        name: str,
        address1: str,
        address2: str,
        zipcode: str,
        country: str,
        domain: str,
        public_key: str | None = None,
    ) -> Any:
        """Register an organization."""
        body = {
            "name": name,
            "address1": address1,
            "address2": address2,
            "zipcode": zipcode,
            "country": country,
            "domain": domain,
            "public_key": public_key,
        }
        return self._post("organization", body)
