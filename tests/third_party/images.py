"""Images of algorithms on the released classic tools; their files are put in, nothing is run."""

import hashlib
import io
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

from development import classic
from development.console import step
from development.engine import ensure_engine
from development.images import BASE, CONTENT_LABEL, LOCK, ensure
from development.locks import exclusive

PACKAGES = Path(__file__).with_name("packages")
TOOLS = "algorithm-3.5.2"
TOOLS_IMAGE = "vantage6/test-classic-tools:3.5.2"
LIBRARIES = "/usr/local/lib/python3.11/dist-packages"
#: Which wrapper of the tools reads the data of each, and its labels.
WRAPPERS = {"v6_average_py": "docker_wrapper", "verticox": "parquet_wrapper"}
LABELS = {"verticox": {"p8888": "python"}}


def ensure_third_party_image(package: str) -> str:
    """Have the image of a package, and return its name."""
    ensure(BASE)
    tools = _installed()
    name = f"vantage6/test-{package.replace('_', '-')}:1"
    wrapper = WRAPPERS[package]
    command = f"from vantage6.tools.docker_wrapper import {wrapper}; {wrapper}('{package}')"
    config = {"Cmd": ["python3", "-c", command], "Labels": LABELS.get(package, {})}
    with (
        closing(ensure_engine()) as client,
        exclusive(LOCK, "another process that builds images"),
    ):
        _assemble(client.api, TOOLS_IMAGE, BASE.tag, tools, {})
        _assemble(client.api, name, TOOLS_IMAGE, [PACKAGES / package], config)
    return name


def _installed() -> list[Path]:
    """What pip put into the environment of the tools."""
    python = classic.environment(TOOLS)
    (folder,) = python.parents[1].glob("lib/python*/site-packages")
    return sorted(folder.iterdir())


def _assemble(api: Any, name: str, parent: str, files: list[Path], config: dict[str, Any]) -> None:
    content = _content(api.inspect_image(parent)["Id"], files, config)
    if any(image["Labels"].get(CONTENT_LABEL) == content for image in api.images(name)):
        return
    with step(f"Making the image {name}"):
        container = api.create_container(parent)["Id"]
        try:
            api.put_archive(container, LIBRARIES.rpartition("/")[0], _archive(files))
            labels = {**config.get("Labels", {}), CONTENT_LABEL: content}
            repository, _, tag = name.rpartition(":")
            api.commit(container, repository, tag, conf={**config, "Labels": labels})
        finally:
            api.remove_container(container)


def _content(parent: str, files: list[Path], config: dict[str, Any]) -> str:
    digest = hashlib.sha256(f"{parent}{config}".encode())
    for path in files:
        digest.update(path.name.encode())
        if path.parent == PACKAGES:
            for source in sorted(path.glob("*.py")):
                digest.update(source.read_bytes())
    return digest.hexdigest()


def _archive(files: list[Path]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for path in files:
            target = f"{LIBRARIES.rpartition('/')[2]}/{path.name}"
            archive.add(path, target, filter=_plain)
    return file.getvalue()


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if "__pycache__" in entry.name:
        return None
    entry.uid = entry.gid = 0
    return entry
