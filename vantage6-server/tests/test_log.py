"""The log file of a server that runs: as large as configured, and no larger."""

from pathlib import Path

from served import Served, write_config

MAXIMUM = 17 * 1024


def test_the_log_rotates_and_the_oldest_goes(tmp_path: Path) -> None:
    logging = {
        "level": "DEBUG",
        "file": "server.log",
        "use_console": False,
        "max_size": 17,
        "backup_count": 2,
    }
    folder = tmp_path / "log"
    with Served("-c", write_config(tmp_path, logging=logging)) as server:
        # One line a request; the path makes it as long as we like.
        while not (folder / "server.log.2").exists():
            server.get("x" * 2000)
        first = (folder / "server.log.2").read_bytes()
        while (folder / "server.log.2").read_bytes() == first:
            server.get("x" * 2000)
        assert server.terminate() == 0
    kept = {path.name: path.stat().st_size for path in folder.glob("server.log*")}
    assert set(kept) == {"server.log", "server.log.1", "server.log.2"}
    assert max(kept.values()) <= MAXIMUM
