"""What the server, node, client and algorithm tools of vantage6 share.

Algorithm containers import this package before they do anything else, so it stays light:
whatever pulls in a library is loaded on first use.
"""

from importlib import import_module
from typing import Any

from vantage6.common.text import (
    base64s_to_bytes,
    bytes_to_base64s,
    is_ip_address,
    logger_name,
)

_LAZY = {
    "__version__": "vantage6.common.version",
    "ClickLogger": "vantage6.common.console",
    "Fore": "vantage6.common.console",
    "Style": "vantage6.common.console",
    "debug": "vantage6.common.console",
    "echo": "vantage6.common.console",
    "error": "vantage6.common.console",
    "info": "vantage6.common.console",
    "warning": "vantage6.common.console",
    "Singleton": "vantage6.common.singleton",
    "check_config_write_permissions": "vantage6.common.context",
    "check_write_permissions": "vantage6.common.context",
}

__all__ = ["base64s_to_bytes", "bytes_to_base64s", "is_ip_address", "logger_name"]
__all__ += sorted(_LAZY)


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
