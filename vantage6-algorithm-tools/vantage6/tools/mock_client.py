"""A federation in memory: algorithms can be tried without a server, a node or a container.

A mock is the real container client; only what answers it is replaced. Each data set plays one
organization, and a subtask runs at once when it is created.
"""

import copy
import json as json_module
from base64 import urlsafe_b64encode
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vantage6.common.client.base import WhoAmI
from vantage6.common.client.container import ContainerClient
from vantage6.common.client.transport import Transport
from vantage6.tools.dispatch import import_algorithm
from vantage6.tools.mock_federation import NO_TASK, URL, MockFederation
from vantage6.tools.mock_site import DEFAULT, Site, databases_of
from vantage6.tools.readers import csv

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["ClientMockProtocol", "MockAlgorithmClient", "MockClient"]

_IMAGE = "mock"


class MockClient(ContainerClient):
    """What both mocks are: a client at the first of some sites.

    Attributes
    ----------
    lib : module
        The algorithm.
    tasks : list of dict
        The subtasks so far.
    """

    def __init__(
        self,
        sites: list[Site],
        module: str,
        *,
        collaboration_id: int,
        first_id: int,
        raise_errors: bool,
        offline: Collection[int] = (),
    ) -> None:
        self.lib = import_algorithm(module)
        self._federation = MockFederation(
            sites,
            module,
            collaboration_id=collaboration_id,
            first_id=first_id,
            connect=self._at,
            raise_errors=raise_errors,
            offline=offline,
        )
        token = _token(sites[0], collaboration_id)
        session = self._federation.session(NO_TASK)
        super().__init__(token, URL, None, allow_pickle=True, session=session)

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """The subtasks so far."""
        return self._federation.tasks

    def _at(self, site: Site, task: dict[str, Any]) -> Self:
        """The client of a central function: what it creates is a part of its task."""
        there = copy.copy(self)
        there.transport = Transport(URL, self._federation.session(task["id"]))
        there.organization_id, there.host_node_id = site.id, site.node_id
        there.task_id, there.image = task["id"], task["image"]
        there.database = task["database"] or DEFAULT
        there.whoami = WhoAmI("container", site.node_id, "container", "", site.id)
        return there


class ClientMockProtocol(MockClient):
    """What a central function gets as its client, with the other organizations in memory.

    The classic mock: one table for each organization, and ids that count from 0.

    Parameters
    ----------
    datasets : list
        One data frame, or path of a CSV file, for each organization.
    module : str
        Import name of the algorithm, or the name of its distribution.
    raise_errors : bool
        Whether an error of a function comes out of `create_new_task`, with its traceback,
        as suits the writing of an algorithm. With False the run fails as it would in a
        federation, and `wait_for_results` tells.

    Attributes
    ----------
    n : int
        Number of organizations.
    datasets : list of DataFrame
    lib : module
        The algorithm.
    tasks : list of dict
        The subtasks so far.

    Examples
    --------
    >>> client = ClientMockProtocol(["hospital_a.csv", "hospital_b.csv"], "v6_average_py")
    >>> ids = [0, 1]
    >>> task = client.create_new_task({"method": "average_partial", "args": ["age"]}, ids)
    >>> client.wait_for_results(task["id"])
    """

    def __init__(
        self,
        datasets: "Sequence[str | Path | DataFrame]",
        module: str,
        *,
        raise_errors: bool = True,
    ) -> None:
        self.datasets = [
            csv.read(str(data)) if isinstance(data, str | Path) else data for data in datasets
        ]
        self.n = len(self.datasets)
        ids = list(range(self.n))
        super().__init__(
            _sites(datasets, ids, ids, None),
            module,
            collaboration_id=1,
            first_id=0,
            raise_errors=raise_errors,
        )


class MockAlgorithmClient(MockClient):
    """The mock of later releases: organizations with ids of their own and several databases.

    Parameters
    ----------
    datasets : list
        For each organization a list of its databases, the default one first. A database is a
        dictionary with `database` (a path or a data frame) and, where they are not the usual,
        `db_type` (what the owner calls its kind: `csv`, `parquet`, `sql`, …), `label`, and what
        the reader needs besides, such as `query`. A data frame or a path alone stands for a
        database, and one database for a list of one.
    module : str
        Import name of the algorithm, or the name of its distribution.
    collaboration_id : int, optional
    organization_ids, node_ids : list of int, optional
        One for each organization; they count from 1 where nothing is said.
    organization_names : list of str, optional
        `mock-1` and so on where nothing is said.
    raise_errors : bool
        As for `ClientMockProtocol`.
    offline : collection of int
        Ids of organizations that never answer, to try what an algorithm with a quorum or a
        deadline makes of that.

    Raises
    ------
    ValueError
        When there is no organization, or ids and data sets are not equally many or not unique.

    Examples
    --------
    >>> client = MockAlgorithmClient(
    ...     datasets=[
    ...         [{"database": "north.csv", "db_type": "csv"}],
    ...         [{"database": south}, {"database": "laboratory.parquet", "label": "laboratory"}],
    ...     ],
    ...     module="v6_average_py",
    ... )
    >>> ids = [organization["id"] for organization in client.organization.list()]
    >>> task = client.task.create({"method": "average_partial", "args": ["age"]}, ids)
    >>> client.wait_for_results(task["id"])
    """

    def __init__(
        self,
        datasets: Sequence[Any],
        module: str,
        collaboration_id: int | None = None,
        organization_ids: list[int] | None = None,
        node_ids: list[int] | None = None,
        *,
        organization_names: list[str] | None = None,
        raise_errors: bool = True,
        offline: Collection[int] = (),
    ) -> None:
        counted = list(range(1, len(datasets) + 1))
        super().__init__(
            _sites(datasets, organization_ids or counted, node_ids or counted, organization_names),
            module,
            collaboration_id=1 if collaboration_id is None else collaboration_id,
            first_id=1,
            raise_errors=raise_errors,
            offline=offline,
        )


def _sites(
    datasets: Sequence[Any], ids: list[int], node_ids: list[int], names: list[str] | None
) -> list[Site]:
    names = names or [f"mock-{id_}" for id_ in ids]
    given: dict[str, Sequence[Any]] = {
        "organization_ids": ids,
        "node_ids": node_ids,
        "organization_names": names,
    }
    for what, values in given.items():
        if len(set(values)) != len(datasets) or len(values) != len(datasets):
            raise ValueError(
                f"There are {len(datasets)} data sets, so {what} needs as many different values"
            )
    if not datasets:
        raise ValueError("A federation needs at least one data set")
    return [
        Site(id_, name, node_id, databases_of(data))
        for data, id_, node_id, name in zip(datasets, ids, node_ids, names, strict=True)
    ]


def _token(site: Site, collaboration_id: int) -> str:
    identity = {
        "client_type": "container",
        "node_id": site.node_id,
        "organization_id": site.id,
        "collaboration_id": collaboration_id,
        "task_id": NO_TASK,
        "image": _IMAGE,
        "database": DEFAULT,
    }
    claims = json_module.dumps({"sub": identity}).encode()
    return f".{urlsafe_b64encode(claims).decode()}."
