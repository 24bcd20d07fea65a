"""A federation on one machine: a server and a node for each organization, a process each.

Everything goes through the commands and configuration files that operators use, so what runs
here is what they run. Needs the packages of server and node beside this one, as commands.
"""

from vantage6.tools.local_federation.federation import (
    API_PATH,
    LOOPBACK,
    Federation,
    Hospital,
    running,
)
from vantage6.tools.local_federation.remains import living_processes, node_names, remove
from vantage6.tools.local_federation.service import (
    COMMANDS,
    FederationError,
    Service,
    missing_commands,
    run_command,
)

__all__ = [
    "API_PATH",
    "COMMANDS",
    "LOOPBACK",
    "Federation",
    "FederationError",
    "Hospital",
    "Service",
    "living_processes",
    "missing_commands",
    "node_names",
    "remove",
    "run_command",
    "running",
]
