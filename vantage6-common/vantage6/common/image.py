"""Names of container images, written out in full so that they can be compared.

The grammar is that of the distribution project's reference format: an optional domain, a
path, an optional tag, an optional digest.
"""

import re
from dataclasses import dataclass

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
_OFFICIAL = "library/"

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*(?::[0-9]+)?"
_REFERENCE = re.compile(
    rf"(?:(?P<domain>{_DOMAIN})/)?(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True)
class ImageReference:
    """An image name taken apart; `tag` is None only where a digest stands alone."""

    domain: str
    path: str
    tag: str | None
    digest: str | None

    def __str__(self) -> str:
        return f"{self.domain}/{self._local(self.path)}"

    @property
    def familiar(self) -> str:
        """The short spelling that people use for images of the default domain."""
        if self.domain != DEFAULT_DOMAIN:
            return str(self)
        short = self._local(self.path.removeprefix(_OFFICIAL))
        # Without the domain, the first part of some paths would be read as another one.
        return short if parse(short) == self else str(self)

    def _local(self, path: str) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{path}{tag}{digest}"


def parse(reference: str) -> ImageReference:
    """Take an image name apart and fill in what it leaves out.

    Raises
    ------
    ValueError
        When this cannot be the name of an image.
    """
    match = _REFERENCE.fullmatch(reference.strip())
    if match is None:
        raise ValueError(f"{reference!r} is not the name of a container image")
    domain, path = match["domain"], match["path"]
    if domain and not ("." in domain or ":" in domain or domain == "localhost"):
        # `user/image`: the first part looks like a domain, but is part of the path
        if domain != domain.lower():
            raise ValueError(f"{reference!r} is not the name of a container image")
        domain, path = None, f"{domain}/{path}"
    domain = domain or DEFAULT_DOMAIN
    if domain == "index.docker.io":
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = _OFFICIAL + path
    tag = match["tag"] or (None if match["digest"] else DEFAULT_TAG)
    return ImageReference(domain, path, tag, match["digest"])


def canonical(reference: str) -> str:
    """The full spelling of an image name: `average` is `docker.io/library/average:latest`."""
    return str(parse(reference))


def familiar(reference: str) -> str:
    """The shortest usual spelling with its tag: `average` is `average:latest`."""
    return parse(reference).familiar
