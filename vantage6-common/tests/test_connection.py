"""Which proxy and which authorities a session has, whatever the environment says."""

from pathlib import Path

import pytest
import requests

from vantage6.common.client.connection import Connection
from vantage6.common.exceptions import ConfigurationError

URL = "https://server.test:443"
VARIABLES = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in (*VARIABLES, *BUNDLES):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text("")
    return path


def applied(connection):
    with requests.Session() as session:
        connection.apply(session, URL)
        return session


def test_the_environment_decides_where_nothing_is_configured(monkeypatch, bundle):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:8080")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    session = applied(Connection())
    assert session.proxies["https"] == "http://proxy.test:8080"
    assert session.verify == str(bundle)


def test_what_is_configured_wins_over_the_environment(monkeypatch, bundle):
    monkeypatch.setenv("HTTPS_PROXY", "http://other.test:8080")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/else.pem")
    session = applied(Connection("http://proxy.test:3128", bundle))
    assert session.proxies == dict.fromkeys(("http", "https"), "http://proxy.test:3128")
    assert session.verify == str(bundle)


def test_a_host_that_needs_no_proxy_gets_none(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:8080")
    monkeypatch.setenv("NO_PROXY", "server.test")
    assert applied(Connection()).proxies == {}


def test_a_log_in_kept_in_the_home_folder_does_not_replace_our_token(monkeypatch, tmp_path):
    home = tmp_path / "netrc"
    home.write_text("machine server.test login eve password eve\n")
    monkeypatch.setenv("NETRC", str(home))
    session = applied(Connection())
    request = requests.Request("GET", URL, headers={"Authorization": "Bearer ours"})
    assert session.prepare_request(request).headers["Authorization"] == "Bearer ours"


def test_authorities_that_are_not_there_are_named():
    with pytest.raises(ConfigurationError, match="nowhere"):
        applied(Connection(ca_file=Path("/nowhere/ca.pem")))


def test_without_anything_the_certificate_is_still_checked():
    assert applied(Connection()).verify is True
