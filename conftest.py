"""What all tests share: an engine and a database where there can be one, and no hidden hole."""

import gc
import logging
from collections.abc import Callable, Generator, Iterator
from functools import cache
from itertools import count
from pathlib import Path

import pytest
from docker.errors import DockerException
from rich.console import Console

from development import debian
from development import postgres as postgresql
from development import swift as openstack
from development.accuracy import Accuracy, as_property, figures, show
from development.engine import connect


@cache
def engine_obstacle() -> str:
    """Say why tests that need containers cannot run, or nothing when they can."""
    try:
        connect().close()
    except DockerException as error:
        return f"no container engine answers: {error}"
    return ""


@pytest.fixture(scope="module", autouse=True)
def nothing_forgotten() -> Iterator[None]:
    """Have what a file of tests leaves open fail there, not what runs when Python finds it."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def level_of_logs() -> Iterator[None]:
    """Put the level of logs back: commands that run within a test set it for their process."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)


_pin_files = count()


@pytest.fixture(scope="session")
def folder_of_pins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where clients pin keys, in place of the folder of whoever runs the tests."""
    return tmp_path_factory.mktemp("pins")


@pytest.fixture(autouse=True)
def own_pins(folder_of_pins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test begins without pinned keys: each makes its own, under the same ids."""
    monkeypatch.setenv("VANTAGE6_PINS_FILE", str(folder_of_pins / f"{next(_pin_files)}.json"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests that need an engine where there is none."""
    if item.get_closest_marker("docker") and engine_obstacle():
        pytest.skip(engine_obstacle())


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgresql.Postgres]:
    """A PostgreSQL server of this run alone; who makes a database in it removes it."""
    if postgresql.obstacle():
        pytest.skip(postgresql.obstacle())
    with postgresql.serve() as server:
        yield server


@pytest.fixture(scope="session")
def swift() -> Iterator[openstack.Swift]:
    """A Swift of this run alone, which nobody stops; who makes a bucket names it as nobody else."""
    if openstack.obstacle():
        pytest.skip(openstack.obstacle())
    with openstack.serve() as swift:
        yield swift


@pytest.fixture
def accuracy(record_property: Callable[[str, object], None]) -> Accuracy:
    """Compare a federated answer with a pooled one; the figures are printed at the end."""
    return Accuracy(lambda figure: record_property(*as_property(figure)))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """Print how near the federated answers came to the pooled ones; what failed comes last."""
    reports = [*terminalreporter.stats.get("passed", []), *terminalreporter.stats.get("failed", [])]
    noted = [figure for report in reports for figure in figures(report.user_properties)]
    if noted:
        show(noted, Console(highlight=False, width=120))
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where all that a test may need can be installed, count a skip as a failure."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Count the skip of a whole module in the same way."""
    report = yield
    if report.skipped:
        forbid_skip(report)
    return report


def forbid_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure as root on Debian."""
    if debian.is_ours():
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"as root on Debian nothing may be skipped: {reason}"
