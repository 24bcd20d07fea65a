"""The federated Cox model over sites in memory, and data owners who allow more than by default."""

import pytest

from vantage6.tools.mock_client import ClientMockProtocol


@pytest.fixture
def fit():
    """Ask `coxph` over sites, each a table; the answer is as the researcher gets it."""

    def fit(sites, raise_errors=True, **asked):
        client = ClientMockProtocol(sites, "v6_coxph_py", raise_errors=raise_errors)
        input_ = {"method": "coxph", "master": True, "kwargs": asked}
        (answer,) = client.wait_for_results(client.create_new_task(input_, [0])["id"])
        return answer

    return fit


@pytest.fixture
def generous_owners(monkeypatch):
    """Thresholds that let small sites take part, where only numbers are compared."""
    monkeypatch.setenv("DISCLOSURE_EVENT_TIMES", "true")
    monkeypatch.setenv("DISCLOSURE_MINIMUM_CELL", "1")
    monkeypatch.setenv("DISCLOSURE_PARAMETERS_PER_ROW", "1")
    monkeypatch.setenv("DISCLOSURE_DOMINANCE", "0")
