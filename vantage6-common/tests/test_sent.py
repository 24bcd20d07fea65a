"""What was sent is remembered, by server and task, and not for ever."""

import sqlite3
import stat
import time
from contextlib import closing

import pytest

from vantage6.common.exceptions import ConfigurationError
from vantage6.common.sent import Sent

SERVER = "https://server.example/api"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "below" / "sent.sqlite"


@pytest.fixture
def sent(path):
    return Sent(path, SERVER)


def test_what_was_sent_is_known_to_the_next_process(sent, path):
    assert sent.digest(1, 7) is None
    assert not path.exists()
    sent.note(1, {7: "a", 8: "b"})
    again = Sent(path, SERVER)
    assert (again.digest(1, 7), again.digest(1, 8), again.digest(1, 9)) == ("a", "b", None)
    assert Sent(path, "https://elsewhere").digest(1, 7) is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_old_is_forgotten(sent, path):
    sent.note(1, {7: "a"})
    long_ago = int(time.time()) - 401 * 24 * 3600
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE sent SET at = ?", (long_ago,))
    sent.note(2, {7: "b"})
    assert (sent.digest(1, 7), sent.digest(2, 7)) == (None, "b")


@pytest.mark.parametrize(
    "ask", [lambda sent: sent.has(1), lambda sent: sent.digest(1, 7), lambda sent: sent.note(1, {})]
)
def test_a_damaged_file_is_named_with_what_can_be_done(sent, path, ask):
    path.parent.mkdir()
    path.write_bytes(b"SQLit\x15\x03\x03" + bytes(200))
    with pytest.raises(ConfigurationError, match=f"{path}.*not a database.*move it away"):
        ask(sent)
