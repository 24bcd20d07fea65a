"""Begin to serve: listen, then hand over to a fresh process that does nothing else.

That process is `vantage6.server.serving`. It changes how Python waits (see the decision note
0009), which must happen before anything else is loaded, and in no other process.
"""

import errno
import os
import socket
import sys
from pathlib import Path

from vantage6.common.context import InstanceContext
from vantage6.common.exceptions import ConfigurationError

_WHY_NOT = {
    errno.EADDRINUSE: "another program listens there",
    errno.EACCES: "this port needs more rights",
    errno.EADDRNOTAVAIL: "this machine does not have that address",
}


def bind(ip: str, port: int) -> socket.socket:
    """Listen on an address; port 0 picks a free one.

    Raises
    ------
    ConfigurationError
        One sentence that says why not.
    """
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    try:
        address = socket.getaddrinfo(ip, port, family, socket.SOCK_STREAM)[0][4]
        return socket.create_server(address, family=family, backlog=2048)
    except OSError as error:
        reason = _WHY_NOT.get(error.errno or 0, error.strerror)
        raise ConfigurationError(f"Cannot listen on {ip} port {port}: {reason}") from error


def url(listener: socket.socket) -> str:
    """The address of a listener, for a browser or a client."""
    ip, port = listener.getsockname()[:2]
    return f"http://[{ip}]:{port}" if ":" in ip else f"http://{ip}:{port}"


def serve(
    context: InstanceContext,
    listener: socket.socket,
    *,
    metrics_listener: socket.socket | None = None,
    ready_file: Path | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, in this process but with nothing of what it has loaded.

    Does not return. The address is printed once requests are answered.

    Parameters
    ----------
    context : InstanceContext
        Its database must be ready. The configuration is read again, but for the level of logs.
    listener : socket
        Already bound and listening; see `bind`.
    metrics_listener : socket, optional
        The same for the metrics.
    ready_file : Path, optional
        Holds the address while the server answers.
    """
    # Without the current folder in the search path, where -m would put it.
    command = [sys.executable, "-P", "-m", "vantage6.server.serving"]
    command += ["--name", context.name]
    command += ["--config", str(context.config_file), "--environment", context.environment]
    command += ["--system"] if context.system_folders else []
    command += ["--log-level", str(context.config["logging"]["level"])]
    command += ["--ready-file", str(ready_file.absolute())] if ready_file else []
    command += _handed_over("--listener", listener)
    command += _handed_over("--metrics-listener", metrics_listener)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, command)


def _handed_over(option: str, listener: socket.socket | None) -> list[str]:
    """An option that tells the next process of an open socket."""
    if listener is None:
        return []
    listener.set_inheritable(True)
    return [option, str(listener.fileno())]
