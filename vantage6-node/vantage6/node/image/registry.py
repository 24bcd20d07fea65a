"""What we ask of a registry ourselves: documents about images. Images are the engine's matter."""

import json
import re
from collections.abc import Mapping
from contextlib import contextmanager
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from vantage6.common.exceptions import Vantage6Error
from vantage6.common.image import DEFAULT_DOMAIN, ImageReference
from vantage6.node.image.store import digest_of

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_MANIFESTS = ", ".join(
    (
        MANIFEST,
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)
_SECONDS = 10
#: Documents are small; a registry that sends more means no good.
_LARGEST = 4 * 2**20
_DEFAULT_HOST = "registry-1.docker.io"
#: Where the engine looks for the authority of a private registry, too.
_CERTIFICATES = Path("/etc/docker/certs.d")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class RegistryError(Vantage6Error):
    """A registry did not give, or take, a document; the text says why."""


class NotInRegistry(RegistryError):
    """The registry does not have it."""


class Repository:
    """The documents of one repository of images.

    Parameters
    ----------
    reference : ImageReference
        Of any image in it.
    log_in : mapping, optional
        `username` and `password`.
    """

    def __init__(self, reference: ImageReference, log_in: Mapping[str, str] | None) -> None:
        host = _DEFAULT_HOST if reference.domain == DEFAULT_DOMAIN else reference.domain
        self._domain = reference.domain
        self._base = f"{_scheme(host)}://{host}/v2/{reference.path}"
        self._log_in = (log_in["username"], log_in["password"]) if log_in else None
        self._authority = _CERTIFICATES / host / "ca.crt"
        self._token = ""

    def manifest(self, name: str) -> bytes:
        """The manifest of a tag or a digest."""
        content = self._get(f"manifests/{name}")
        if name.startswith("sha256:"):
            self._compare(content, name)
        return content

    def blob(self, digest: str) -> bytes:
        """A small blob."""
        content = self._get(f"blobs/{digest}")
        self._compare(content, digest)
        return content

    def put_blob(self, content: bytes) -> dict[str, Any]:
        """Store a blob; what a manifest says of it."""
        digest = digest_of(content)
        place = self._ask("POST", "blobs/uploads/").headers["Location"]
        joint = "&" if "?" in place else "?"
        if place.startswith("/"):
            place = f"{self._base.partition('/v2/')[0]}{place}"
        headers = {"Content-Type": "application/octet-stream"}
        self._ask("PUT", f"{place}{joint}digest={digest}", data=content, headers=headers)
        return {"digest": digest, "size": len(content)}

    def put_manifest(self, tag: str, manifest: Mapping[str, Any]) -> None:
        """Store a manifest under a tag."""
        headers = {"Content-Type": MANIFEST}
        self._ask("PUT", f"manifests/{tag}", data=json.dumps(manifest).encode(), headers=headers)

    def _compare(self, content: bytes, digest: str) -> None:
        if digest_of(content) != digest:
            raise RegistryError(f"The registry {self._domain} sent something else than asked for")

    def _get(self, path: str) -> bytes:
        with self._ask("GET", path, headers={"Accept": _MANIFESTS}, stream=True) as answer:
            return self._read(answer)

    def _read(self, answer: requests.Response) -> bytes:
        content: bytes = answer.raw.read(_LARGEST + 1, decode_content=True)
        if len(content) > _LARGEST:
            raise RegistryError(f"The registry {self._domain} sent more than a document")
        return content

    def _ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request, with a token where the registry wants one."""
        url = path if "://" in path else f"{self._base}/{path}"
        with self._talking():
            answer = self._request(method, url, options)
            challenge = answer.headers.get("WWW-Authenticate", "")
            if answer.status_code == HTTPStatus.UNAUTHORIZED and challenge.startswith("Bearer "):
                self._token = self._new_token(dict(_CHALLENGE.findall(challenge)))
                answer = self._request(method, url, options)
        self._require_success(answer)
        return answer

    def _request(self, method: str, url: str, options: Mapping[str, Any]) -> requests.Response:
        headers = dict(options.get("headers", {}))
        own = url.startswith(self._base.partition("/v2/")[0] + "/")
        if own and self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return requests.request(
            method,
            url,
            **{**options, "headers": headers},
            auth=self._log_in if own and not self._token else None,
            timeout=_SECONDS,
            **self._trust(),
        )

    def _new_token(self, challenge: Mapping[str, str]) -> str:
        """A token from where the registry says; never asked for in the clear."""
        realm = challenge.get("realm", "")
        if urlsplit(realm).scheme != "https" and not self._base.startswith("http:"):
            raise RegistryError(f"The registry {self._domain} wants a log-in in the clear")
        wanted = {name: challenge[name] for name in ("service", "scope") if name in challenge}
        answer = requests.get(
            realm, params=wanted, auth=self._log_in, timeout=_SECONDS, stream=True, **self._trust()
        )
        self._require_success(answer)
        with answer:
            content = self._read(answer)
        try:
            body = json.loads(content)
            return str(body.get("token") or body["access_token"])
        except (ValueError, AttributeError, KeyError, TypeError) as error:
            raise RegistryError(f"The registry {self._domain} gave no token") from error

    def _trust(self) -> dict[str, Any]:
        return {"verify": str(self._authority)} if self._authority.exists() else {}

    @contextmanager
    def _talking(self) -> Any:
        try:
            yield
        except requests.exceptions.RequestException as error:
            raise RegistryError(f"The registry {self._domain} cannot be reached") from error

    def _require_success(self, answer: requests.Response) -> None:
        if answer.ok:
            return
        answer.close()
        if answer.status_code == HTTPStatus.NOT_FOUND:
            raise NotInRegistry(f"The registry {self._domain} does not have it")
        if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise RegistryError(f"The registry {self._domain} did not authorise this machine")
        raise RegistryError(f"The registry {self._domain} answered {answer.status_code}")


def _scheme(host: str) -> str:
    """As the engine has it: in the clear on this machine only."""
    name = host.rpartition(":")[0] or host
    try:
        local = name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        local = False
    return "http" if local else "https"
