"""Images from a real registry: the newest one, or a clear word about why not."""

import io
import shutil
import socket
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml
from docker.utils import kwargs_from_env

from development import debian
from development.engine import ensure_engine
from vantage6.common.container import image
from vantage6.common.exceptions import ConfigurationError

pytestmark = pytest.mark.docker

LOOPBACK = "127.0.0.1"
PACKAGE = PROGRAM = "docker-registry"


@pytest.fixture(scope="module")
def api() -> Iterator[docker.APIClient]:
    ensure_engine().close()
    with closing(docker.APIClient(**kwargs_from_env(), version="auto")) as api:
        yield api


@pytest.fixture(scope="module")
def program() -> str:
    """The registry of the distribution project, from Debian's packages."""
    if not shutil.which(PROGRAM):
        if not debian.is_ours():
            pytest.skip(f"{PROGRAM} is not installed")
        debian.install(PACKAGE)
    return str(shutil.which(PROGRAM))


class Registry:
    """A registry of our own on loopback."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.create_server((LOOPBACK, 0)) as free:
            self.address = f"{LOOPBACK}:{free.getsockname()[1]}"
        config = {
            "version": "0.1",
            "log": {"level": "info"},
            "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
            "http": {"addr": self.address},
        }
        path = folder / "registry.yml"
        path.write_text(yaml.safe_dump(config))
        self._process = subprocess.Popen(
            [program, "serve", str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert self._process.stdout
        self._output = self._process.stdout
        said = iter(self._output.readline, b"")
        assert any(b"listening on" in line for line in said), "the registry did not start"
        # What it goes on to say must not fill the pipe.
        self._reader = threading.Thread(target=self._output.read)
        self._reader.start()

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._output.close()


@pytest.fixture
def registry(program: str, tmp_path: Path) -> Iterator[Registry]:
    registry = Registry(program, tmp_path)
    yield registry
    registry.stop()


@pytest.fixture
def name(registry: Registry, api: docker.APIClient) -> Iterator[str]:
    """The name of an image in the registry; it is gone from the engine at the end."""
    name = f"{registry.address}/v6/server:1"
    yield name
    # Also those that have lost the name to a newer one.
    for entry in api.images(name.rpartition(":")[0]):
        api.remove_image(entry["Id"], force=True)


@pytest.fixture
def publish(api: docker.APIClient, name: str) -> Callable[[str], str]:
    """Put an image with a content into the registry; what the engine calls it by."""

    def publish(content: str) -> str:
        repository, _, tag = name.rpartition(":")
        answer = api.import_image_from_data(layer(content), repository, tag)
        assert "error" not in answer
        assert "error" not in api.push(repository, tag)
        identity: str = api.inspect_image(name)["Id"]
        api.remove_image(name)
        return identity

    return publish


def layer(content: str) -> bytes:
    """A file system with one file."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("content")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content.encode()))
    return file.getvalue()


def ensure(api: docker.APIClient, name: str) -> list[str]:
    """Have the image; what the operator was told."""
    told: list[str] = []
    image.ensure(api, name, told.append)
    return told


def test_it_is_pulled_once_and_again_when_there_is_a_newer_one(
    api: docker.APIClient, name: str, publish: Callable[[str], str]
) -> None:
    first = publish("first")
    assert ensure(api, name) == [f"Pulling {name}"]
    assert api.inspect_image(name)["Id"] == first
    assert ensure(api, name) == []
    pulled = api.inspect_image(name)["Id"]
    second = publish("second")
    assert ensure(api, name) == [f"Pulling {name}"]
    assert api.inspect_image(name)["Id"] == second != pulled


def test_without_the_registry_what_is_here_is_used_and_that_is_said(
    api: docker.APIClient, name: str, publish: Callable[[str], str], registry: Registry
) -> None:
    publish("first")
    ensure(api, name)
    registry.stop()
    (told,) = ensure(api, name)
    assert told.startswith(f"The registry of {name} was of no help (")
    assert told.endswith("); using the image that is here")


def test_neither_here_nor_there_is_one_sentence(api: docker.APIClient, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"The image {name} cannot be had: "):
        ensure(api, name)


def test_a_name_without_a_registry_is_asked_for_nowhere(api: docker.APIClient) -> None:
    """Somebody else may have put something under our name into a public registry."""
    local: Any = "vantage6/there-is-no-such-server:1"
    with pytest.raises(ConfigurationError, match="on this machine; build it with `make images`"):
        ensure(api, local)
