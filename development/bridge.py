"""Lets containers reach what listens on the loopback of this machine, for as long as needed."""

import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import docker
import psutil

LOOPBACK = "127.0.0.1"
_PIECE = 65536


def address_for_containers(engine: docker.DockerClient) -> str:
    """Our address on the network of containers; an engine that was just installed hides it."""
    options = engine.networks.get("bridge").attrs["Options"]
    addresses = psutil.net_if_addrs()[options["com.docker.network.bridge.name"]]
    return next(one.address for one in addresses if one.family is socket.AF_INET)


@contextmanager
def passing_on(ip: str, port: int) -> Iterator[int]:
    """A port of an address of ours that leads to a port of the loopback."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((LOOPBACK, port)) as other:
                pass_on({self.request: other, other: self.request})

    with _Server((ip, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class _Server(socketserver.ThreadingTCPServer):
    # Who is still connected must not keep us from ending.
    daemon_threads = True
    block_on_close = False


def pass_on(pairs: dict[socket.socket, socket.socket]) -> None:
    """Pass on what arrives at each of these sockets to the other one, until one of them ends."""
    while True:
        for ready in select.select(list(pairs), [], [])[0]:
            try:
                piece = ready.recv(_PIECE)
                if not piece:
                    return
                pairs[ready].sendall(piece)
            except OSError:
                return
