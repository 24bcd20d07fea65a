"""Ports of this machine."""

import socket

LOOPBACK = "127.0.0.1"


def free_port(ip: str = LOOPBACK) -> int:
    """Return a port that nobody uses at this moment; empty stands for all addresses."""
    with socket.socket() as probe:
        probe.bind((ip, 0))
        return int(probe.getsockname()[1])
