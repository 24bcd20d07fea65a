"""One version for all packages, in one place; one lock that fits what the packages ask for."""

from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from development import wheels
from vantage6.common import __version__

ROOT = Path(__file__).resolve().parent.parent
VERSION = (ROOT / "VERSION").read_text(encoding="utf-8").strip()
PACKAGES = sorted(wheels.checkout())
every_package = pytest.mark.parametrize("package", PACKAGES)


def requirements(package: str) -> list[Requirement]:
    return [Requirement(text) for text in metadata.requires(package) or []]


@pytest.fixture(scope="module")
def lock() -> dict[str, str]:
    """Return the version of each library in the lock file."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    versions = {}
    for pin in pins:
        (specifier,) = pin.specifier
        assert specifier.operator == "==", pin
        versions[canonicalize_name(pin.name)] = specifier.version
    assert len(versions) == len(pins), "a library is named twice"
    return versions


def test_there_are_five_packages():
    assert len(PACKAGES) == 5


@every_package
def test_a_package_has_the_one_version(package):
    assert metadata.version(package) == VERSION == __version__
    assert (ROOT / package / "VERSION").resolve() == ROOT / "VERSION"


@every_package
def test_a_package_asks_for_its_siblings_of_the_same_version(package):
    siblings = [each for each in requirements(package) if each.name.startswith("vantage6-")]
    assert all(str(sibling.specifier) == f"=={VERSION}" for sibling in siblings)
    assert siblings or package == "vantage6-common"


@every_package
def test_the_lock_fits_the_declared_ranges(package, lock):
    for requirement in requirements(package):
        if not requirement.name.startswith("vantage6-"):
            locked = lock[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(locked), f"{requirement}: {locked}"


def test_the_lock_is_complete(lock):
    """Nothing comes in that is not locked, whatever the packages' needs need in turn."""
    needed = wheels.closure([*PACKAGES, *lock], {})
    assert set(needed) - set(PACKAGES) == set(lock)


def test_the_environment_has_the_locked_versions(lock):
    assert {name: metadata.version(name) for name in lock} == lock
