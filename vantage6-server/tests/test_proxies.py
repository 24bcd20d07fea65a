"""Whose word about a caller is taken."""

from typing import Any

import pytest
from werkzeug.test import create_environ

from vantage6.server.proxies import Proxies

OURS = ["10.1.0.0/16", "fd00::1"]
CALLER = "203.0.113.7"


def seen(peer: str, **headers: str) -> dict[str, Any]:
    """What an application sees of a request that comes from `peer`."""
    environ = create_environ(environ_base={"REMOTE_ADDR": peer}, headers=headers)
    Proxies(lambda environ, _: [], OURS)(environ, None)
    return environ


def address(peer: str, forwarded_for: str) -> str:
    text: str = seen(peer, **{"X-Forwarded-For": forwarded_for})["REMOTE_ADDR"]
    return text


class TestAddress:
    @pytest.mark.parametrize("proxy", ["10.1.2.3", "fd00::1", "::ffff:10.1.2.3"])
    def test_our_proxy_says_who_calls(self, proxy: str) -> None:
        assert address(proxy, CALLER) == CALLER

    @pytest.mark.parametrize("stranger", ["10.2.0.1", "fd00::2", "127.0.0.1", "", "unix:"])
    def test_nobody_else_does(self, stranger: str) -> None:
        assert address(stranger, CALLER) == stranger

    def test_what_the_caller_wrote_there_himself_is_not_believed(self) -> None:
        assert address("10.1.2.3", f"198.51.100.1, {CALLER}") == CALLER

    def test_a_chain_of_ours_is_followed(self) -> None:
        assert address("10.1.2.3", f"198.51.100.1, {CALLER}, 10.1.9.9") == CALLER

    def test_one_of_ours_may_be_the_caller(self) -> None:
        assert address("10.1.2.3", "10.1.9.9") == "10.1.9.9"

    @pytest.mark.parametrize("nonsense", ["", "nonsense", f"{CALLER}, unknown", "[", ":80"])
    def test_what_is_no_address_is_left(self, nonsense: str) -> None:
        assert address("10.1.2.3", nonsense) == "10.1.2.3"

    @pytest.mark.parametrize("text", [f"{CALLER}:4711", f"::1, [{CALLER}]:4711"])
    def test_some_proxies_tell_the_port_too(self, text: str) -> None:
        assert address("10.1.2.3", text) == CALLER

    @pytest.mark.parametrize("text", ["[2001:db8::7]:4711", "[2001:db8::7]"])
    def test_so_they_do_of_the_newer_kind(self, text: str) -> None:
        assert address("10.1.2.3", text) == "2001:db8::7"

    def test_a_caller_of_the_newer_kind(self) -> None:
        assert address("10.1.2.3", "2001:db8::7") == "2001:db8::7"


class TestScheme:
    def test_our_proxy_says_it(self) -> None:
        assert seen("10.1.2.3", **{"X-Forwarded-Proto": "https"})["wsgi.url_scheme"] == "https"

    def test_nobody_else_does(self) -> None:
        assert seen("10.2.0.1", **{"X-Forwarded-Proto": "https"})["wsgi.url_scheme"] == "http"

    @pytest.mark.parametrize("scheme", ["", "gopher", "https, http"])
    def test_the_proxy_next_to_us_is_believed_if_it_makes_sense(self, scheme: str) -> None:
        assert seen("10.1.2.3", **{"X-Forwarded-Proto": scheme})["wsgi.url_scheme"] == "http"


@pytest.mark.parametrize("peer", ["10.1.2.3", "10.2.0.1"])
def test_nothing_behind_it_can_read_what_was_forwarded(peer: str) -> None:
    environ = seen(peer, **{"X-Forwarded-Host": "evil.example", "X-Forwarded-For": CALLER})
    assert not [name for name in environ if "FORWARDED" in name]
