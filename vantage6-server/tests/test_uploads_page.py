"""The commands of the page about uploads, executed one after another against a served server."""

import re
import subprocess
from pathlib import Path

from clients import bearer
from sending_over import Sender
from served import Served, write_config

from development.programs import Program

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "uploads.md"
_BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECONDS = 120


def test_the_commands_of_the_page_do_what_it_says(tmp_path: Path) -> None:
    for name in ("curl", "jq", "openssl"):
        Program(name, name).install()
    blocks = _BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) == 8
    with Served("--config", str(write_config(tmp_path))) as server:
        sender = Sender(server)
        (authorization,) = (f"{name}: {value}" for name, value in bearer(sender.token).items())
        given = [
            "set -eu -o pipefail",
            f"API={server.url}/api",
            f"AUTH={authorization!r}",
            f"COLLABORATION={sender.study}",
            f"ORGANIZATION={sender.organization}",
        ]
        done = subprocess.run(
            ["bash", "-c", "\n".join([*given, *blocks])],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "1000000" in done.stdout.split()
