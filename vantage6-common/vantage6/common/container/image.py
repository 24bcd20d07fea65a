"""Which image a server or node runs from, and that it is here."""

from collections.abc import Callable
from typing import Any

from docker.errors import APIError, ImageNotFound

from vantage6.common import image as images
from vantage6.common.engine import talking_to_engine
from vantage6.common.exceptions import ConfigurationError, EngineUnreachable

Say = Callable[[str], None]


def choose(*names: str | None) -> str:
    """The image that is asked for: the first that is named."""
    name = next(name for name in names if name)
    try:
        images.parse(name)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    return name


def ensure(api: Any, name: str, say: Say) -> None:
    """Have an image: the one of its registry when there is one, else the one of this machine.

    A name without a registry is never looked for in one: what is there under our name need not
    be ours.

    Parameters
    ----------
    api : docker.APIClient
    name : str
    say : callable
        Gets what the operator should know.

    Raises
    ------
    ConfigurationError
        When there is no such image.
    """
    local = _local_digests(api, name)
    if not names_registry(name):
        if local is None:
            raise ConfigurationError(
                f"There is no image {name} on this machine; build it with `make images`, or name "
                "one of a registry: --image registry.example/name:tag"
            )
        return
    try:
        with talking_to_engine():
            if _is_current(api, name, local):
                return
            say(f"Pulling {name}")
            _pull(api, name)
    except (APIError, EngineUnreachable, ConfigurationError) as error:
        reason = getattr(error, "explanation", None) or error
        if local is None:
            raise ConfigurationError(f"The image {name} cannot be had: {reason}") from error
        say(f"The registry of {name} was of no help ({reason}); using the image that is here")


def names_registry(name: str) -> bool:
    """Whether an image is written with the registry it comes from."""
    domain = images.parse(name).domain
    return domain != images.DEFAULT_DOMAIN or name.startswith((f"{domain}/", f"index.{domain}/"))


def _local_digests(api: Any, name: str) -> list[str] | None:
    """The digests under which an image that is here was pulled; None when it is not here."""
    try:
        with talking_to_engine():
            return [entry.partition("@")[2] for entry in api.inspect_image(name)["RepoDigests"]]
    except ImageNotFound:
        return None


def _is_current(api: Any, name: str, local: list[str] | None) -> bool:
    if local is None:
        return False
    return api.inspect_distribution(name)["Descriptor"]["digest"] in local


def _pull(api: Any, name: str) -> None:
    reference = images.parse(name)
    repository = f"{reference.domain}/{reference.path}"
    tag = reference.digest or reference.tag
    for line in api.pull(repository, tag=tag, stream=True, decode=True):
        if "error" in line:
            raise ConfigurationError(line["error"])
