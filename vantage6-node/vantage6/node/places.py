"""How many runs go on side by side, so that none waits for a place of one that waits for it."""

from collections.abc import Iterable

from vantage6.node.state import Phase, Run


class Places:
    """Those of one node.

    A run that has asked something itself holds its place until it is answered, perhaps by this
    node. So runs of subtasks have as many places of their own.

    Parameters
    ----------
    number : int
        Of each of the two kinds.
    """

    def __init__(self, number: int) -> None:
        self._number = number

    def admitted(self, runs: Iterable[Run]) -> list[int]:
        """The results whose runs have waited, and may begin."""
        runs, admitted = list(runs), []
        for of_subtasks in (False, True):
            kind = [run for run in runs if run.assignment.is_subtask is of_subtasks]
            free = self._number - sum(run.takes_place for run in kind)
            waiting = sorted(run.assignment.result_id for run in kind if _waits(run))
            admitted += waiting[: max(0, free)]
        return admitted

    def free(self, runs: Iterable[Run]) -> int:
        """For how many more there is room, whatever they are."""
        # A subtask that waits was taken in the room for all.
        return self._number - sum(
            _waits(run) or (run.takes_place and not run.assignment.is_subtask) for run in runs
        )

    def free_for_subtasks(self, runs: Iterable[Run]) -> int:
        """For how many more there is room if they are of subtasks."""
        return self._number - sum(
            run.assignment.is_subtask and (_waits(run) or run.takes_place) for run in runs
        )


def _waits(run: Run) -> bool:
    return run.phase is Phase.WAITING
