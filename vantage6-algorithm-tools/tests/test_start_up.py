"""What a container loads before it works: every import is time that a researcher waits."""

import json
import subprocess
import sys

import pytest

HEAVY = {
    "click",
    "cryptography",
    "numpy",
    "pandas",
    "pyarrow",
    "requests",
    "rich",
    "socketio",
    "SPARQLWrapper",
    "vantage6.client.client",
    "yaml",
}


@pytest.mark.parametrize(
    "statement",
    [
        "from vantage6.tools.docker_wrapper import docker_wrapper",
        "from vantage6.tools.util import info, warn",
        "from vantage6.tools.dispatch_rpc import dispatch_rpc",
        "from vantage6.tools.container_client import ClientContainerProtocol",
        "from vantage6.client import ContainerClient",
        "from vantage6.common import bytes_to_base64s",
        "import vantage6.tools.readers.csv, vantage6.tools.readers.sparql",
    ],
)
def test_no_library_is_loaded_before_it_is_needed(statement):
    program = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert set(json.loads(result.stdout)) & HEAVY == set()
