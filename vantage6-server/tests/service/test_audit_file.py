"""The file that the audit trail is kept in."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from vantage6.common.exceptions import ConfigurationError
from vantage6.server.service import audit


@pytest.fixture(autouse=True)
def trail() -> Iterator[logging.Logger]:
    """The logger, which is afterwards as it was before."""
    yield audit.trail
    for handler in audit.trail.handlers[:]:
        audit.trail.removeHandler(handler)
        handler.close()
    audit.trail.propagate = True


def actions(path: Path) -> list[str]:
    return [json.loads(line)["action"] for line in path.read_text().splitlines()]


def test_the_file_is_for_its_owner_and_only_grows(tmp_path: Path) -> None:
    path = tmp_path / "log" / "server.audit.log"
    for action in ("one", "two"):
        audit.keep_in(path)
        audit.record(action, "success")
    assert actions(path) == ["one", "two"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_file_can_be_moved_away_while_the_server_runs(tmp_path: Path) -> None:
    path = tmp_path / "server.audit.log"
    audit.keep_in(path)
    audit.record("one", "success")
    path.rename(tmp_path / "old")
    audit.record("two", "success")
    assert (actions(tmp_path / "old"), actions(path)) == (["one"], ["two"])
    assert path.stat().st_mode & 0o777 == 0o600


def test_lines_do_not_depend_on_the_level_of_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    audit.keep_in(tmp_path / "audit")
    audit.record("one", "success")
    assert actions(tmp_path / "audit") == ["one"]


def test_a_file_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="audit file"):
        audit.keep_in(tmp_path / "file" / "audit.log")
