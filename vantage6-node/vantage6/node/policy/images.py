"""Whether a pattern of the owner means an image: always the whole name, in any usual spelling."""

import re
from collections.abc import Collection, Iterator

from vantage6.common import image as images

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ANY_DIGEST = "sha256:" + "0" * 64


def matches(pattern: re.Pattern[str], names: Collection[str]) -> bool:
    """Whether a pattern means an image, given all its spellings: one has to match as a whole."""
    return any(pattern.fullmatch(name) for name in names)


def may_match(pattern: re.Pattern[str], image: str) -> bool:
    """Whether a pattern could mean the image once we know the digest that is behind its name."""
    named = _DIGEST.findall(pattern.pattern)
    return matches(pattern, spellings(image, (*named, _ANY_DIGEST)))


def spellings(image: str, digests: Collection[str] = ()) -> set[str]:
    """All usual ways to write the name of one image.

    A tag says nothing about the content where a digest stands, so such a name is written
    without its tag, too. An image asked for by its tag alone is also called by the digests
    that are known to be behind it.

    Parameters
    ----------
    image : str
    digests : collection of str
        What is known to be behind the name, such as `sha256:…`.

    Raises
    ------
    ValueError
        When this cannot be the name of an image.
    """
    reference = images.parse(image)
    found = {reference}
    if reference.digest:
        found.add(images.ImageReference(reference.domain, reference.path, None, reference.digest))
    for digest in () if reference.digest else digests:
        for tag in (None, reference.tag):
            found.add(images.ImageReference(reference.domain, reference.path, tag, digest))
    return {spelling for one in found for spelling in _spellings(one)}


def _spellings(reference: images.ImageReference) -> Iterator[str]:
    for name in (str(reference), reference.familiar):
        yield name
        yield name.removesuffix(f":{images.DEFAULT_TAG}")
