"""Who calls, when proxies of our own stand in front: they say it, and nobody else may."""

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_FORWARDED = "HTTP_X_FORWARDED_"
_REQUEST_ID = "HTTP_X_REQUEST_ID"
_SCHEMES = ("http", "https")


class Addresses:
    """Some addresses and networks, of which one can ask whether an address is among them."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks: list[Network] = [ip_network(text) for text in networks]

    def __contains__(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._networks)


class Proxies:
    """Goes around all else: an application behind it sees the caller in place of the proxy.

    Parameters
    ----------
    wsgi : callable
        The application.
    trusted : sequence of str
        Addresses and networks of our proxies.
    """

    def __init__(self, wsgi: WSGI, trusted: Sequence[str]) -> None:
        self._wsgi = wsgi
        self._trusted = Addresses(trusted)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        forwarded = {
            name: environ.pop(name) for name in list(environ) if name.startswith(_FORWARDED)
        }
        if environ.get("REMOTE_ADDR", "") in self._trusted:
            hops = forwarded.get(f"{_FORWARDED}FOR", "").split(",")
            environ["REMOTE_ADDR"] = self._caller(environ["REMOTE_ADDR"], hops)
            # The proxy next to us comes last, if others wrote here too.
            scheme = forwarded.get(f"{_FORWARDED}PROTO", "").rpartition(",")[2].strip()
            if scheme in _SCHEMES:
                environ["wsgi.url_scheme"] = scheme
        else:
            environ.pop(_REQUEST_ID, None)
        return self._wsgi(environ, start_response)

    def _caller(self, nearest: str, hops: list[str]) -> str:
        """The nearest address that is not one of our proxies; what stands before it is hearsay."""
        caller = nearest
        while hops and caller in self._trusted:
            said = _hop(hops.pop().strip())
            if said is None:
                break
            caller = str(said)
        return caller


def _hop(text: str) -> Address | None:
    """An address as some proxies write it, with the port of the caller.

    Without it all callers would be the proxy, and one who guesses would lock them all out.
    """
    if text.startswith("["):
        return _address(text[1:].partition("]")[0])
    return _address(text.partition(":")[0] if text.count(":") == 1 else text)


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # On a socket for both kinds, old addresses look like new ones.
    return getattr(address, "ipv4_mapped", None) or address
