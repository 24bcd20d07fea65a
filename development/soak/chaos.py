"""Which faults happen when: by chance, bounded, and each kind at least once."""

import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from development.soak.faults import Fault

_LOOK_SECONDS = 0.1
#: What ends all that is under way happens less often than the rest.
RARE = {"engine lost its power": 0.25, "engine killed": 0.5, "rolling restart": 0.5}


@dataclass
class Happening:
    """One fault, from its injection to its end; times are those of `time.monotonic`."""

    fault: Fault
    seconds: float
    began: float
    injecting: Future[object]
    ends: float | None = None
    mending: Future[object] | None = None

    def advance(self, workers: Executor, now: float, tell: Callable[[str], None]) -> bool:
        """Go on to the next step where it is time for that; True once there is none."""
        if self.ends is None and self.injecting.done():
            self.injecting.result()
            self.ends = now + self.seconds
        if self.mending is None and self.ends is not None and self.ends <= now:
            self.mending = workers.submit(self.fault.mend)
        if self.mending is None or not self.mending.done():
            return False
        self.mending.result()
        tell(f"{self.fault.kind}: {self.fault.part}, mended")
        return True


class Chaos:
    """Injects faults and mends them; see the module.

    Parameters
    ----------
    faults : sequence of Fault
        What can happen.
    chance : random.Random
    workers : Executor
        Does it. Its threads have to outlive all that is started: some processes end with the
        thread that has started them.
    at_once : int
        How many parts may be broken at the same time.
    pause : float
        Seconds between two faults, on average.
    tell : callable
        Gets a line for each fault.
    progress : callable
        How many questions are answered. Beyond one of each kind there are no more faults than
        that: a slow machine is not broken faster than it works.
    watch : callable
        Given the parts that are broken, mends what has ended by itself and says what that was.

    Attributes
    ----------
    history : list of Happening
    """

    def __init__(
        self,
        faults: Sequence[Fault],
        chance: random.Random,
        workers: Executor,
        *,
        at_once: int,
        pause: float,
        tell: Callable[[str], None],
        watch: Callable[[Collection[str]], list[str]],
        progress: Callable[[], int],
    ) -> None:
        self._progress = progress
        self._watch = watch
        self._faults, self._chance, self._workers = faults, chance, workers
        self._at_once, self._pause, self._tell = at_once, pause, tell
        self._active: list[Happening] = []
        self._missing = sorted({fault.kind for fault in faults})
        chance.shuffle(self._missing)
        self._next = time.monotonic()
        self._counts: Counter[str] = Counter()
        self.history: list[Happening] = []

    @property
    def is_complete(self) -> bool:
        """Whether each kind of fault has happened."""
        return not self._missing

    def counts(self) -> dict[str, int]:
        """How often each kind of fault has happened."""
        return {kind: self._counts[kind] for kind in sorted({one.kind for one in self._faults})}

    def run(self, is_over: Callable[[], bool]) -> None:
        """Break and mend until somebody says that it is over, then mend what is broken."""
        try:
            while not is_over():
                self._go_on()
                if self._may_inject():
                    self._inject()
                time.sleep(_LOOK_SECONDS)
        finally:
            # Also after an error: nothing may be started any more when all is taken down.
            while self._active:
                self._go_on()
                time.sleep(_LOOK_SECONDS)

    def _go_on(self) -> None:
        now = time.monotonic()
        self._active = [
            one for one in self._active if not one.advance(self._workers, now, self._tell)
        ]
        for text in self._watch({one.fault.part for one in self._active}):
            self._tell(f"started again: {text}")

    def _may_inject(self) -> bool:
        return (
            time.monotonic() >= self._next
            and len(self._active) < self._at_once
            and (bool(self._missing) or len(self.history) < len(self.counts()) + self._progress())
        )

    def _inject(self) -> None:
        self._next = time.monotonic() + self._chance.uniform(0, 2 * self._pause)
        broken = {one.fault.part for one in self._active}
        free = [fault for fault in self._faults if fault.part not in broken]
        kinds = sorted({fault.kind for fault in free})
        if not kinds:
            return
        due = next((kind for kind in self._missing if kind in kinds), None)
        kind = due or self._chance.choices(kinds, [RARE.get(kind, 1.0) for kind in kinds])[0]
        fault = self._chance.choice([one for one in free if one.kind == kind])
        seconds = self._chance.uniform(*fault.seconds)
        self._tell(f"{fault.kind}: {fault.part}, for {seconds:.1f} s")
        happening = Happening(fault, seconds, time.monotonic(), self._workers.submit(fault.inject))
        self._active.append(happening)
        self.history.append(happening)
        self._counts[kind] += 1
        if due:
            self._missing.remove(due)
