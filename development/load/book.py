"""What simulated nodes and clients saw, and when."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable


class Book:
    """Kept by all of them together; moments are those of `time.monotonic`.

    Attributes
    ----------
    connected : dict
        When a node was connected and had caught up, by its name; gone while it is not.
    taken : dict
        When a run was in the hands of its node, by the id of the result.
    ended : dict
        When the report on a run had been accepted, by the id of the result.
    stopped : dict
        When the server knew that nothing is left of a killed run, by the id of the result.
    twice : list of int
        The runs that came to a node again after it had reported on them.
    refused : Counter
        How often the server answered with which status when it should not have.
    lost : int
        How often there was no server at the other end, or none any more.
    """

    def __init__(self) -> None:
        self.connected: dict[str, float] = {}
        self.taken: dict[int, float] = {}
        self.ended: dict[int, float] = {}
        self.stopped: dict[int, float] = {}
        self.twice: list[int] = []
        self.refused: Counter[int] = Counter()
        self.lost = 0
        self.reasons: list[str] = []
        self._changed = asyncio.Event()

    def note(self, what: dict[int, float], id_: int) -> None:
        """Write down that something is so from now on."""
        what.setdefault(id_, time.monotonic())
        self._changed.set()

    def note_connection(self, name: str, *, there: bool) -> None:
        """Write down that a node came or went."""
        if there:
            self.connected[name] = time.monotonic()
        else:
            self.connected.pop(name, None)
        self._changed.set()

    def note_refusal(self, status: int, reason: str) -> None:
        """Write down that the server said no."""
        self.refused[status] += 1
        self.reasons.append(reason)
        self._changed.set()

    async def until(self, is_so: Callable[[], bool], seconds: float) -> None:
        """Wait until something is so.

        Raises
        ------
        TimeoutError
            When that takes longer; says what was refused meanwhile.
        """
        try:
            async with asyncio.timeout(seconds):
                while not is_so():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            raise TimeoutError(
                f"not so after {seconds:g} s: {len(self.connected)} connected, "
                f"{len(self.taken)} taken, {len(self.ended)} ended, {len(self.stopped)} stopped, "
                f"refused {dict(self.refused)} {self.reasons[-3:]}, lost {self.lost}"
            ) from error
