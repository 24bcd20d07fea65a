"""`vantage6-client` installed by itself, as published algorithms do, has every classic path."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from development import wheels
from development.images import ALGORITHM_BASE, ensure

IMPORTS = {
    "vantage6.client": "Client UserClient ContainerClient ClientBase WhoAmI ServerInfo LEGACY",
    "vantage6.client.algorithm_client": "AlgorithmClient",
    "vantage6.client.constants": "STRING_ENCODING APPNAME PACKAGE_FOLDER",
    "vantage6.client.deserialization": "",
    "vantage6.client.encryption": "RSACryptor DummyCryptor CryptorBase SEPARATOR",
    "vantage6.client.exceptions": "DeserializationException",
    "vantage6.client.filter": "post_filtering",
    "vantage6.client.serialization": "",
    "vantage6.client.utils": "print_qr_code show_qr_code_image",
    "vantage6.common": "info warning error debug echo ClickLogger logger_name Singleton"
    " bytes_to_base64s base64s_to_bytes check_config_write_permissions check_write_permissions"
    " is_ip_address Fore Style",
    "vantage6.common.exceptions": "AuthenticationException",
    "vantage6.common.globals": "APPNAME STRING_ENCODING DEFAULT_DOCKER_REGISTRY"
    " DEFAULT_NODE_IMAGE DEFAULT_SERVER_IMAGE VPN_CONFIG_FILE",
    "vantage6.tools.container_client": "ContainerClient ClientContainerProtocol",
    "vantage6.tools.data_format": "DataFormat",
    "vantage6.tools.deserialization": "deserialize deserialize_json deserialize_pickle"
    " deserializer",
    "vantage6.tools.dispatch_rpc": "dispatch_rpc dispact_rpc",
    "vantage6.tools.docker_wrapper": "docker_wrapper sparql_wrapper parquet_wrapper WrapperBase"
    " DockerWrapper SparqlDockerWrapper ParquetWrapper write_output load_input _load_data"
    " _read_formatted _read_data_format _DATA_FORMAT_SEPARATOR _MAX_FORMAT_STRING_LENGTH",
    "vantage6.tools.exceptions": "DeserializationException",
    "vantage6.tools.mock_client": "ClientMockProtocol MockAlgorithmClient",
    "vantage6.tools.serialization": "serialize serializer",
    "vantage6.tools.util": "info warn error",
    "vantage6.tools.wrapper": "docker_wrapper",
}
PROGRAM = """
import importlib, json, sys
missing = []
for module, names in json.loads(sys.argv[1]).items():
    try:
        loaded = importlib.import_module(module)
    except ImportError as error:
        missing.append(f"{module}: {error}")
        continue
    missing += [f"{module}.{name}" for name in names.split() if not hasattr(loaded, name)]
print(json.dumps(missing))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The Python of an environment in which only the client was installed, from wheels."""
    target = json.loads(output(sys.executable, "-c", wheels.QUESTION))
    folders = wheels.collect(target, ["vantage6-client"], ["pandas"])
    environment = tmp_path_factory.mktemp("alone") / "environment"
    output(sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / "bin" / "python"
    install(python, folders, "vantage6-client>=3")
    return python


def install(python: Path, folders: dict[str, Path], requirement: str) -> None:
    """Install with nothing in reach but the wheels."""
    options = ["--quiet", "--no-compile", "--no-index"]
    links = [f"--find-links={folder}" for folder in folders.values()]
    pip = [sys.executable, "-m", "pip", "--isolated", "--python", python]
    output(*pip, "install", *options, *links, requirement)


def output(*command: str | Path) -> str:
    """Run a program that must succeed and return what it prints."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_every_documented_path_can_be_imported(python):
    assert json.loads(output(python, "-W", "error", "-c", PROGRAM, json.dumps(IMPORTS))) == []


def test_neither_server_nor_node_came_along(python):
    program = "from importlib import metadata; print(*[d.name for d in metadata.distributions()])"
    installed = set(output(python, "-c", program).split())
    assert {"vantage6-client", "vantage6-algorithm-tools", "vantage6-common"} <= installed
    assert not {"vantage6-server", "vantage6-node"} & installed


@pytest.mark.docker
def test_the_base_of_algorithms_has_them_too():
    docker = ["docker", "run", "--rm", "--network", "none", ensure(ALGORITHM_BASE)]
    assert json.loads(output(*docker, "python3", "-c", PROGRAM, json.dumps(IMPORTS))) == []
