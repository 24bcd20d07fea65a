"""What an operator changes in the shell is on the audit trail, like all other changes."""

import json
import os
from pathlib import Path

from served import run, write_config, write_import

PROGRAM = """
user = db.User.get_by_username("ada")
user.roles = [role for role in db.Role.get() if role.name == "Viewer"]
user.set_password("Babbage-2!")
user.save()
"""


def test_changes_in_the_shell_are_on_the_audit_trail(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    assert run("import", "-c", config, write_import(tmp_path)).returncode == 0
    ended = run("shell", "-c", config, "--command", PROGRAM)
    assert ended.returncode == 0, ended.stderr
    text = (tmp_path / "log" / "server.audit.log").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    assert {"import", "shell"} <= {line["action"] for line in lines}
    (change,) = [line for line in lines if line["action"] == "user.change"]
    assert change["name"] == "ada"
    assert change["changed"].keys() == {"roles", "password"}
    assert {line["actor"]["kind"] for line in lines} == {"operator"}
    assert change["actor"]["uid"] == os.getuid()
    assert "Babbage" not in text
