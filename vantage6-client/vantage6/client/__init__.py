"""The researcher's client.

Algorithms import this package too, for the container client and for type hints, so nothing is
loaded before it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vantage6.common.serialization import LEGACY

if TYPE_CHECKING:
    from vantage6.client.client import Client, UserClient
    from vantage6.common.attachment import File
    from vantage6.common.client.base import ClientBase, ServerInfo, WhoAmI
    from vantage6.common.client.container import AlgorithmClient, ContainerClient

__all__ = [
    "LEGACY",
    "AlgorithmClient",
    "Client",
    "ClientBase",
    "ContainerClient",
    "File",
    "ServerInfo",
    "UserClient",
    "WhoAmI",
]

_LAZY = {
    "AlgorithmClient": "vantage6.common.client.container",
    "Client": "vantage6.client.client",
    "ClientBase": "vantage6.common.client.base",
    "ContainerClient": "vantage6.common.client.container",
    "File": "vantage6.common.attachment",
    "ServerInfo": "vantage6.common.client.base",
    "UserClient": "vantage6.client.client",
    "WhoAmI": "vantage6.common.client.base",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
