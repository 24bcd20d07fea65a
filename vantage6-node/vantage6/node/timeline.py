"""How long each phase of a run took, for the log line at its end."""

import time


class Timeline:
    """Milliseconds between marks; a run is in the hands of one thread at a time."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._phases: dict[str, float] = {}

    def mark(self, phase: str) -> None:
        """A phase ends now; one that was repeated counts in sum."""
        now = time.perf_counter()
        self._phases[phase] = self._phases.get(phase, 0.0) + now - self._last
        self._last = now

    def __str__(self) -> str:
        phases = [f"{phase} {seconds * 1000:.0f}" for phase, seconds in self._phases.items()]
        total = sum(self._phases.values())
        return f"{', '.join(phases)}; together {total * 1000:.0f} ms"
