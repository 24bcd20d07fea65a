"""What the owner of the data allows to run."""

import re
from collections.abc import Iterable, Sequence

from vantage6.common import image as images
from vantage6.common.exceptions import Vantage6Error
from vantage6.common.serialization import PICKLE, payload_format


class NotAllowed(Vantage6Error):
    """The owner's policy refuses a run; the text says why and is shown to the researcher."""


class Policy:
    """Decides about every run, subtasks too.

    Parameters
    ----------
    allowed_images : sequence of str
        Regular expressions; one has to match the whole name of an image, in its full or
        its short spelling.
    allow_all_images : bool
        Whether an image needs no match at all.
    allow_pickle : bool
        Whether inputs may be pickles, which run code when the algorithm reads them.
    """

    def __init__(
        self, allowed_images: Sequence[str], *, allow_all_images: bool, allow_pickle: bool
    ) -> None:
        self._patterns = [re.compile(pattern) for pattern in allowed_images]
        self._allow_all_images = allow_all_images
        self._allow_pickle = allow_pickle

    @property
    def refuses_all(self) -> bool:
        """Whether no image at all can pass."""
        return not (self._patterns or self._allow_all_images)

    def check_image(self, image: str) -> None:
        """Raise NotAllowed unless the image may run here."""
        try:
            spellings = _spellings(image)
        except ValueError as error:
            raise NotAllowed(str(error)) from error
        if self._allow_all_images:
            return
        if not any(pattern.fullmatch(name) for pattern in self._patterns for name in spellings):
            raise NotAllowed(
                f"The owner of this node does not allow the image {images.canonical(image)}"
            )

    def check_input(self, input_: bytes) -> None:
        """Raise NotAllowed when the algorithm must not be given this input."""
        if payload_format(input_) == PICKLE and not self._allow_pickle:
            raise NotAllowed(
                "The input is a pickle, which this node does not accept; send it as JSON "
                "(the owner of the node can allow pickles with `allow_pickle`)"
            )


def _spellings(image: str) -> Iterable[str]:
    """All usual ways to write the name of one image."""
    names = (images.canonical(image), images.familiar(image))
    return {*names, *(name.removesuffix(f":{images.DEFAULT_TAG}") for name in names)}
