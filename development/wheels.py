"""Wheels for images: fetched here, for the Python of the image, so that no build needs a network.

Two kinds, kept apart because the first changes rarely: the libraries in the versions of the lock
file, and the packages of this checkout. Both are kept in ``.cache/wheels`` until other ones are
wanted.
"""

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path

import docker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from development.console import run, step
from development.install import ROOT
from development.locks import exclusive, scratch

CACHE = ROOT / ".cache" / "wheels"
#: Asks a Python for what decides which wheels and which dependencies suit it.
QUESTION = """
import json, platform, sys
print(json.dumps({
    "python_version": "%d.%d" % sys.version_info[:2],
    "python_full_version": platform.python_version(),
    "platform_machine": platform.machine(),
    "glibc": platform.libc_ver()[1],
}))
"""
#: The oldest C library that wheels of today name.
OLDEST_GLIBC_MINOR = 5
#: The time in all files of our wheels: the same sources make the same bytes.
EPOCH = "1577836800"


def collect(
    target: dict[str, str], packages: Sequence[str], extras: Sequence[str]
) -> dict[str, Path]:
    """Return folders with the wheels of ``packages`` and of all they need: ours, and libraries.

    Parameters
    ----------
    target : dict
        The answer of the Python that the wheels are for, see ``ask``.
    packages : sequence of str
        Distributions of this checkout.
    extras : sequence of str
        Other distributions, of the lock file.
    """
    needed = closure([*packages, *extras], target)
    ours = [folder for name, folder in checkout().items() if name in needed]
    with exclusive(CACHE / "lock", "another process that collects wheels"):
        return {
            "wheels": _build(ours, digest(packages)),
            "libraries": _download(_pins(needed), target),
        }


def ask(client: docker.DockerClient, image: str) -> dict[str, str]:
    """Return what the image's Python says of itself; each image is asked once."""
    identity = client.images.get(image).id
    known = ROOT / ".cache" / "pythons" / f"{str(identity).removeprefix('sha256:')}.json"
    if not known.exists():
        with step(f"Asking {image} for its Python"):
            answer = client.containers.run(
                image, ["python3", "-c", QUESTION], network_mode="none", remove=True
            )
        known.parent.mkdir(parents=True, exist_ok=True)
        known.write_bytes(answer)
    target: dict[str, str] = json.loads(known.read_text())
    return target


def closure(names: Iterable[str], target: dict[str, str]) -> list[str]:
    """Return the distributions that ``names`` need on the target, as installed here.

    pip would decide by the Python it runs on, which need not be the one of the image.
    """
    found: dict[str, None] = {}
    waiting = [Requirement(name) for name in names]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name not in found:
            found[name] = None
            waiting.extend(_requirements(name, requirement.extras, target))
    return sorted(found)


def _requirements(
    name: str, extras: Iterable[str], target: dict[str, str]
) -> Iterator[Requirement]:
    environments = [{**target, "extra": extra} for extra in ("", *extras)]
    for text in metadata.requires(name) or []:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate(each) for each in environments):
            yield requirement


def checkout() -> dict[str, Path]:
    """Return the folders of our packages by the names of their distributions."""
    return {path.parent.name: path.parent for path in sorted(ROOT.glob("vantage6-*/setup.py"))}


def digest(names: Sequence[str]) -> str:
    """Return a digest of the versions and sources of which the wheels are made."""
    ours = checkout()
    needed = closure(names, {})
    text = hashlib.sha256(" ".join(_pins(needed)).encode())
    for path in _sources(ours[name] for name in needed if name in ours):
        text.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return text.hexdigest()


def _pins(names: Iterable[str]) -> list[str]:
    ours = checkout()
    return [f"{name}=={metadata.version(name)}" for name in names if name not in ours]


def _sources(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(path for path in folder.iterdir() if path.is_file())
        package = sorted((folder / "vantage6").rglob("*"))
        yield from (p for p in package if p.is_file() and p.parent.name != "__pycache__")


def _build(folders: Sequence[Path], sources: str) -> Path:
    """Return a folder with the wheels of our packages; those of the same sources are built once."""

    def make(target: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="vantage6-") as copies:
            # a build inside the checkout would pack what an earlier one left in build/
            unwanted = shutil.ignore_patterns("build", "tests", "*.egg-info", "__pycache__")
            copied = [Path(copies) / folder.name for folder in folders]
            for folder, copy in zip(folders, copied, strict=True):
                shutil.copytree(folder, copy, ignore=unwanted)
            command = [*_pip("wheel"), "--no-build-isolation", "--wheel-dir", target, *copied]
            with step("Building wheels of the packages of this checkout"):
                run(
                    command,
                    "pip could not build the packages of this checkout",
                    environment={"SOURCE_DATE_EPOCH": EPOCH},
                )

    return _cached("checkout", sources, make)


def _download(requirements: Sequence[str], target: dict[str, str]) -> Path:
    def download(folder: Path) -> None:
        options = ["--only-binary=:all:", "--implementation=cp"]
        options.append(f"--python-version={target['python_version']}")
        options += [f"--platform={platform}" for platform in _platforms(target)]
        command = [*_pip("download"), *options, "--dest", folder, *requirements]
        with step("Fetching the libraries' wheels for the image's Python"):
            run(command, "pip could not fetch wheels for the image")

    wanted = f"{' '.join(requirements)} {json.dumps(target, sort_keys=True)}"
    return _cached("libraries", wanted, download)


def _pip(command: str) -> list[str | Path]:
    return [sys.executable, "-m", "pip", command, "--no-deps", "--disable-pip-version-check"]


def _platforms(target: dict[str, str]) -> list[str]:
    """Return the names that wheels give to the target's platform, as they name older ones too."""
    newest = int(target["glibc"].split(".")[1])
    machine = target["platform_machine"]
    versions = range(newest, OLDEST_GLIBC_MINOR - 1, -1)
    return [f"manylinux_2_{minor}_{machine}" for minor in versions] + [f"manylinux2014_{machine}"]


def _cached(kind: str, wanted: str, make: Callable[[Path], None]) -> Path:
    """Return the folder that ``make`` filled for ``wanted``; a half-filled one is never seen."""
    folder = CACHE / f"{kind}-{hashlib.sha256(wanted.encode()).hexdigest()[:20]}"
    if not folder.exists():
        with scratch(CACHE) as part:
            make(part / "wheels")
            (part / "wheels").rename(folder)
    return folder
