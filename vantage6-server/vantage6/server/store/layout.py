"""How an object lies in a bucket: in segments of at most so many bytes, by whom each was sent.

Each call that goes on with an object makes a run of segments of its own: all full but the last.
Their keys have a token of that call, so that nothing another call sends, before or after it, can
take their place. Which runs make up the object is what the layout says, and nobody else: it is the
state of an unfinished object, and an object of the bucket for a finished one.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

#: Bytes of a full segment.
SEGMENT = 16 * 2**20
#: With more the state would be too long.
LARGEST_NUMBER_OF_RUNS = 10_000
#: So many short runs at the end, together less than a segment, are sent anew as one.
MERGED_TOGETHER = 4


class Extent(NamedTuple):
    """A part of a segment: its key in the bucket, where it starts therein, and its length."""

    key: str
    start: int
    length: int


@dataclass(frozen=True)
class Layout:
    """Of one object; see the module.

    Attributes
    ----------
    name : str
    size : int
        Bytes that the object has in the end.
    runs : tuple of (str, int)
        The token of each, and the offset at which it ends; it starts where the last one ends.
    """

    name: str
    size: int
    runs: tuple[tuple[str, int], ...] = ()

    @classmethod
    def parse(cls, name: str, text: str | bytes) -> "Layout":
        """Read what `text` wrote; raises ValueError when it did not."""
        try:
            match json.loads(text):
                case {"size": int(size), "runs": list(runs)}:
                    return cls(name, size, tuple((str(token), int(end)) for token, end in runs))
        except TypeError as error:
            raise ValueError("Not the layout of an object") from error
        raise ValueError("Not the layout of an object")

    @property
    def text(self) -> str:
        """Itself, for `parse`."""
        return json.dumps({"size": self.size, "runs": self.runs}, separators=(",", ":"))

    @property
    def received(self) -> int:
        """Bytes that are there."""
        return self.runs[-1][1] if self.runs else 0

    def longer(self, token: str, length: int) -> "Layout":
        """Return the layout with so many more bytes, of a run that is begun or gone on with."""
        end = self.received + length
        before = self.runs[:-1] if self.runs and self.runs[-1][0] == token else self.runs
        return Layout(self.name, self.size, (*before, (token, end)))

    def without_short_end(self) -> "Layout":
        """Return the layout without the runs at its end that are to be sent anew as one.

        So an object that comes in very many small parts does not lie in as many segments.
        """
        kept = len(self.runs)
        while kept and self.received - self._start_of(kept - 1) < SEGMENT:
            kept -= 1
        return self if len(self.runs) - kept < MERGED_TOGETHER else self._first(kept)

    def key(self, token: str, offset: int) -> str:
        """The key of the segment of a run that starts at an offset."""
        return f"{self.name}/{token}-{offset:012x}"

    def extents(self, start: int, length: int) -> Iterator[Extent]:
        """Where a part of the object lies, in order."""
        end, beginning = start + length, 0
        for token, stop in self.runs:
            if stop > start:
                yield from self._of_run(token, beginning, max(start, beginning), min(end, stop))
            beginning = stop

    def keys(self) -> set[str]:
        """The keys of all its segments."""
        return {extent.key for extent in self.extents(0, self.received)}

    def _start_of(self, index: int) -> int:
        return self.runs[index - 1][1] if index else 0

    def _first(self, number: int) -> "Layout":
        return Layout(self.name, self.size, self.runs[:number])

    def _of_run(self, token: str, beginning: int, start: int, end: int) -> Iterator[Extent]:
        while start < end:
            segment = beginning + (start - beginning) // SEGMENT * SEGMENT
            stop = min(end, segment + SEGMENT)
            yield Extent(self.key(token, segment), start - segment, stop - start)
            start = stop
