"""Nodes."""

from typing import Any

from vantage6.client.base import ListedSubClient, Reply
from vantage6.client.filter import post_filtering

Ids = list[int]
Replies = list[Reply]


class NodeSubClient(ListedSubClient):
    """Where the data is."""

    @post_filtering(iterable=False)
    def get(self, id_: int) -> Any:
        """One node."""
        return self._get(f"node/{id_}")

    @post_filtering(iterable=True)
    def list(
        self,
        name: str | None = None,
        organization: int | None = None,
        collaboration: int | None = None,
        is_online: bool | None = None,
        ip: str | None = None,
        last_seen_from: str | None = None,
        last_seen_till: str | None = None,
        page: int | None = 1,
        per_page: int | None = 20,
        include_metadata: bool = True,
    ) -> Any:
        """Nodes.

        Parameters
        ----------
        name : str, optional
            Pattern of the name, with `%` for anything.
        organization, collaboration : int, optional
            Ids.
        is_online : bool, optional
        ip : str, optional
        last_seen_from, last_seen_till : str, optional
            Days, as yyyy-mm-dd.
        page, per_page : int
        include_metadata : bool
            Whether to get the links to other pages too.
        """
        filters = {
            "name": name,
            "organization_id": organization,
            "collaboration_id": collaboration,
            "status": {True: "online", False: "offline", None: None}[is_online],
            "ip": ip,
            "last_seen_from": last_seen_from,
            "last_seen_till": last_seen_till,
        }
        return self._page("node", filters, page, per_page, include_metadata)

    def offline(self, collaboration: int, organizations: Ids | None = None) -> Replies:
        """Organizations whose nodes in a collaboration are not connected to the server just now.

        What they are asked waits for them. With one question to the server, and one for each name
        that is not known yet.

        Parameters
        ----------
        collaboration : int
        organizations : list of int, optional
            Ids; all of the collaboration where nothing is said.

        Returns
        -------
        list of dict
            `organization` (id), `name` (that of the organization), `node` (id), `last_seen`.

        Raises
        ------
        ServerError
            When the nodes of the collaboration are not for you to see.
        """
        nodes = self.parent.send("get", f"collaboration/{collaboration}/node")
        wanted = None if organizations is None else set(organizations)
        return [
            {
                "organization": id_,
                "name": self.parent.organization_name(id_),
                "node": node["id"],
                "last_seen": node.get("last_seen"),
            }
            for node in nodes
            if node["status"] != "online"
            and (wanted is None or node["organization"]["id"] in wanted)
            for id_ in [node["organization"]["id"]]
        ]

    @post_filtering(iterable=False)
    def create(
        self, collaboration: int, organization: int | None = None, name: str | None = None
    ) -> Any:
        """Register a node.

        Parameters
        ----------
        collaboration : int
        organization : int, optional
            Your own where nothing is said.
        name : str, optional

        Returns
        -------
        dict
            The node with its `api_key`, which is shown this once.
        """
        body = {"organization_id": organization, "collaboration_id": collaboration, "name": name}
        return self._post("node", body)

    @post_filtering(iterable=False)
    def update(
        self,
        id_: int,
        name: str | None = None,
        organization: int | None = None,
        collaboration: int | None = None,
    ) -> Any:
        """Change a node; what is not given stays as it is."""
        body = {"name": name, "organization_id": organization, "collaboration_id": collaboration}
        return self._patch(f"node/{id_}", body)

    def delete(self, id_: int) -> Any:
        """Remove a node."""
        return self._delete(f"node/{id_}")

    def kill_tasks(self, id_: int) -> Any:
        """Stop all that a node is doing; its runs end as "killed by user"."""
        return self._post("kill/node/tasks", {"id": id_})
