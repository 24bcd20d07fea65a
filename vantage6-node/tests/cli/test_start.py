"""What `vnode-local start` does before there is a node."""

import sys

import yaml
from click.testing import CliRunner

from vantage6.common.exceptions import ConfigurationError
from vantage6.node import assembly
from vantage6.node.cli import main


def test_a_node_that_was_killed_is_not_called_ready_while_the_next_begins(tmp_path, monkeypatch):
    ready, seen = tmp_path / "ready", []

    def build(*_, **__):
        seen.append(ready.exists())
        raise ConfigurationError("no further than this")

    monkeypatch.setattr(assembly, "build", build)
    monkeypatch.setattr(
        sys.modules["vantage6.node.cli.start"], "setup_logging", lambda _context: None
    )
    ready.touch()
    config = tmp_path / "north.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "application": {
                    "api_key": "key",
                    "server_url": "http://localhost",
                    "port": 5000,
                    "api_path": "/api",
                    "task_dir": str(tmp_path / "data"),
                    "databases": {},
                    "encryption": {"enabled": False, "private_key": ""},
                }
            }
        )
    )
    config.chmod(0o600)
    outcome = CliRunner().invoke(
        main, ["start", "--config", str(config), "--ready-file", str(ready)]
    )
    assert "no further than this" in outcome.output
    assert seen == [False]
