"""Which image a name stands for, and how it comes here.

A name with a tag may stand for another image every day. So it is looked up once for a run: from
then on the digest, and here the engine's id, say which image was meant. Fetching it goes by
digest, too: whoever moves the tag meanwhile changes nothing.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from http import HTTPStatus
from typing import Any

import requests
from docker.errors import APIError, ImageNotFound

from vantage6.common import image as images
from vantage6.common.image import ImageReference
from vantage6.node.image.store import ImageStore
from vantage6.node.once import Once
from vantage6.node.runner.engine import talking_to_engine, words
from vantage6.node.runner.interface import EngineUnreachable, FoundImage, ImageMissing

#: How long a run waits for a registry when its image is here already.
REGISTRY_SECONDS = 5
#: How long an answer holds, so that a queue of short runs does not ask for each.
FRESH_SECONDS = 15.0
#: After this long a registry that gave no answer is asked again; no run waits for that.
SILENT_SECONDS = 60.0

_NOT_AUTHORISED = ("no basic auth credentials", "unauthorized", "denied", "authentication required")
_DOES_NOT_EXIST = ("manifest unknown", "name unknown", "not found: manifest")
_NO_CONNECTION = ("dial tcp", "timeout", "no such host", "connection re", "x509", "tls:", "eof")

log = logging.getLogger(__name__)


class Obstacle(Enum):
    """Why a registry did not help, in words for whoever asked."""

    UNREACHABLE = "cannot be reached"
    NOT_AUTHORISED = "did not authorise this node (some say so of images that do not exist)"
    DOES_NOT_EXIST = "does not have it"
    FAILED = "could not deliver it; the log of the node says more"


class RegistryFailed(Exception):
    """A registry did not say, or give, what was asked for."""

    def __init__(self, obstacle: Obstacle, detail: str) -> None:
        super().__init__(detail)
        self.obstacle = obstacle


class Images:
    """The images of one engine, and those that it can fetch.

    Parameters
    ----------
    api : docker.APIClient
    hasty : docker.APIClient
        Another one, that does not wait long for an answer.
    registries : sequence of mapping
        `registry`, `username` and `password` of private registries.
    when : {"newer", "missing", "never"}
        When an image is fetched.
    store : ImageStore, optional
        What is known of images that did not come from a registry.
    now : callable
        The time in seconds.
    """

    def __init__(
        self,
        api: Any,
        hasty: Any,
        registries: Sequence[Mapping[str, str]],
        when: str,
        store: ImageStore | None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api, self._hasty, self._when, self._store = api, hasty, when, store
        self._log_ins = {entry["registry"]: dict(entry) for entry in registries}
        self._once, self._now = Once(), now
        self._answers: dict[str, tuple[str, float]] = {}
        self._silent: dict[str, float] = {}

    def find(self, image: str) -> FoundImage:
        """What a name stands for now; see `interface.Runner.find_image`."""
        try:
            reference = images.parse(image)
        except ValueError as error:
            raise ImageMissing(str(error)) from error
        if reference.digest:
            return self._by_digest(reference, reference.digest)
        here = self._by_tag(reference)
        if here and self._when != "newer":
            return here
        if self._when == "never":
            raise _not_fetched(reference)
        try:
            digest = self._newest(reference, is_here=here is not None)
        except RegistryFailed as failure:
            if here is None:
                raise _missing(reference, failure) from failure
            return replace(here, remark=_local_copy(reference, failure))
        if here and here.digest == digest:
            return here
        found = self._by_digest(reference, digest)
        if found.is_here:
            self._name(reference, found.id)
        return found

    def fetch(self, found: FoundImage) -> FoundImage:
        """Have exactly what was found here; see `interface.Runner.fetch_image`."""
        if found.is_here:
            return found
        return self._once((found.name, found.digest), lambda: self._fetch(found))

    # Here

    def _by_tag(self, reference: ImageReference) -> FoundImage | None:
        """What carries the name on this machine."""
        image = self._inspect(str(reference))
        if image is None:
            return None
        own = f"{_repository(reference)}@"
        digests = [str(images.parse(name)) for name in image["RepoDigests"] or ()]
        digest = next((name.removeprefix(own) for name in digests if name.startswith(own)), None)
        if digest is None and self._store:
            digest = self._store.digest(image["Id"])
        return _found(reference, image, digest)

    def _by_digest(self, reference: ImageReference, digest: str) -> FoundImage:
        """What has a digest, here or not."""
        candidates = [f"{_repository(reference)}@{digest}"]
        if self._store:
            candidates += self._store.image_ids(digest)
        for candidate in candidates:
            image = self._inspect(candidate)
            if image:
                return _found(reference, image, digest)
        if self._when == "never":
            raise _not_fetched(reference)
        return FoundImage(str(reference), digest=digest)

    def _name(self, reference: ImageReference, image_id: str) -> None:
        """Give an image the tag that it has in its registry, to be found without that.

        Never for a task that names a digest: it would choose for all others what a tag means.
        """
        if reference.tag and not reference.digest:
            with talking_to_engine():
                self._api.tag(image_id, _repository(reference), reference.tag)

    def _inspect(self, name: str) -> dict[str, Any] | None:
        try:
            with talking_to_engine():
                found: dict[str, Any] = self._api.inspect_image(name)
        except ImageNotFound:
            return None
        return found

    # In the registry

    def _newest(self, reference: ImageReference, *, is_here: bool) -> str:
        """The digest that a tag stands for in its registry."""
        digest, asked_at = self._answers.get(str(reference), ("", 0.0))
        if digest and self._now() - asked_at < FRESH_SECONDS:
            return digest
        if not is_here:
            return self._once((str(reference), "now"), lambda: self._ask(self._api, reference))
        if reference.domain in self._silent:
            self._ask_beside(reference)
            raise RegistryFailed(Obstacle.UNREACHABLE, "it gave no answer a moment ago")
        return self._once((str(reference), "soon"), lambda: self._ask(self._hasty, reference))

    def _ask_beside(self, reference: ImageReference) -> None:
        """Find out whether a silent registry is back, now and then, without waiting for it."""
        if self._now() - self._silent[reference.domain] < SILENT_SECONDS:
            return
        self._silent[reference.domain] = self._now()

        def ask() -> None:
            try:
                self._ask(self._hasty, reference)
            except (RegistryFailed, EngineUnreachable) as error:
                log.debug("The registry %s: %s", reference.domain, error)

        threading.Thread(target=ask, name="registry", daemon=True).start()

    def _ask(self, api: Any, reference: ImageReference) -> str:
        try:
            digest = self._look_up(api, reference)
        except RegistryFailed as failure:
            log.info("The registry %s: %s", reference.domain, failure)
            if failure.obstacle is Obstacle.UNREACHABLE:
                self._silent[reference.domain] = self._now()
            else:
                self._silent.pop(reference.domain, None)
            raise
        self._silent.pop(reference.domain, None)
        self._answers[str(reference)] = digest, self._now()
        return digest

    def _look_up(self, api: Any, reference: ImageReference) -> str:
        try:
            with talking_to_engine():
                found = _in_time(
                    lambda: api.inspect_distribution(
                        str(reference), auth_config=self._log_in(reference)
                    )
                )
        except APIError as error:
            raise RegistryFailed(_obstacle(error, Obstacle.UNREACHABLE), words(error)) from error
        digest: str = found["Descriptor"]["digest"]
        return digest

    def _fetch(self, found: FoundImage) -> FoundImage:
        reference = images.parse(found.name)
        assert found.digest is not None
        here = self._inspect(f"{_repository(reference)}@{found.digest}")
        if here is None:
            try:
                self._pull(reference, found.digest)
            except RegistryFailed as failure:
                log.warning("%s could not be fetched: %s", reference, failure)
                raise _missing(reference, failure) from failure
            here = self._inspect(f"{_repository(reference)}@{found.digest}")
        if here is None:
            raise ImageMissing(f"The image {reference} was removed as soon as it had been fetched")
        self._name(reference, here["Id"])
        return _found(reference, here, found.digest)

    def _pull(self, reference: ImageReference, digest: str) -> None:
        try:
            with talking_to_engine():
                progress = self._api.pull(
                    _repository(reference),
                    tag=digest,
                    auth_config=self._log_in(reference),
                    stream=True,
                    decode=True,
                )
                faults = [line["error"] for line in progress if "error" in line]
        except APIError as error:
            raise RegistryFailed(_obstacle(error, Obstacle.FAILED), words(error)) from error
        if faults:
            raise RegistryFailed(_obstacle_in(faults[-1], Obstacle.FAILED), faults[-1])

    def _log_in(self, reference: ImageReference) -> dict[str, str] | None:
        return self._log_ins.get(reference.domain)


def _in_time(ask: Callable[[], Any]) -> Any:
    """An answer of a registry, unless the engine waits for it in vain."""
    try:
        return ask()
    except requests.exceptions.Timeout as error:
        raise RegistryFailed(Obstacle.UNREACHABLE, "no answer in time") from error


def _repository(reference: ImageReference) -> str:
    return f"{reference.domain}/{reference.path}"


def _found(reference: ImageReference, image: Mapping[str, Any], digest: str | None) -> FoundImage:
    user = image["Config"].get("User") or ""
    return FoundImage(str(reference), image["Id"], digest, user)


def _missing(reference: ImageReference, failure: RegistryFailed) -> ImageMissing:
    return ImageMissing(
        f"The image {reference} is not on this node, and its registry {reference.domain} "
        f"{failure.obstacle.value}"
    )


def _not_fetched(reference: ImageReference) -> ImageMissing:
    return ImageMissing(
        f"The image {reference} is not on this node, which fetches none (`image_pull: never`)"
    )


def _local_copy(reference: ImageReference, failure: RegistryFailed) -> str:
    return (
        f"The copy of the image {reference} on this node was used: its registry "
        f"{reference.domain} {failure.obstacle.value}"
    )


def _obstacle(error: APIError, otherwise: Obstacle) -> Obstacle:
    if error.status_code == HTTPStatus.NOT_FOUND:
        return Obstacle.DOES_NOT_EXIST
    if error.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Obstacle.NOT_AUTHORISED
    return _obstacle_in(words(error), otherwise)


def _obstacle_in(text: str, otherwise: Obstacle) -> Obstacle:
    """The engine has one status for most refusals; only its words tell them apart."""
    lower = text.lower()
    for obstacle, signs in (
        (Obstacle.NOT_AUTHORISED, _NOT_AUTHORISED),
        (Obstacle.DOES_NOT_EXIST, _DOES_NOT_EXIST),
        (Obstacle.UNREACHABLE, _NO_CONNECTION),
    ):
        if any(sign in lower for sign in signs):
            return obstacle
    return otherwise
