"""What the log of a run says of an error: where it was, and words that show no data.

The log reaches the researcher, and the text of a library's error can hold a value of a row, as in
`could not convert string to float: 'Mr Smith'`. So of an error only these words are told: those of
our own errors, those with which the algorithm's own source raised it, and those that the researcher
knows already because they stand in the input. Of all others the kind and the place.
"""

from collections.abc import Collection, Iterator
from itertools import islice
from types import TracebackType
from typing import Any

from vantage6.common.exceptions import Vantage6Error

_OWN = "vantage6"
_DISPATCH = "vantage6.tools.dispatch"
_MOST_CHARACTERS = 1000
#: Of a row of errors, each raised for the next, so many are looked at.
_MOST_ERRORS = 20
#: Of an input so many values are looked at.
_MOST_VALUES = 10_000


def describe(error: BaseException, algorithm: str, known: Collection[str] = ()) -> str:
    """One line on an error: its kind, its words where they show no data, and where it was.

    Parameters
    ----------
    error : BaseException
    algorithm : str
        Import name of the algorithm.
    known : collection of str
        What the researcher knows already: the values in the input.
    """
    words = _one_line(str(error)) if tells_no_data(error, algorithm, known) else ""
    parts = [type(error).__name__, words]
    return f"{': '.join(part for part in parts if part)} ({_place(error, algorithm, words)})"


def tells_no_data(error: BaseException, algorithm: str, known: Collection[str] = ()) -> bool:
    """Whether the words of an error are known to hold nothing of the database."""
    if isinstance(error, Vantage6Error):
        return True
    if isinstance(error, KeyError) and _is_known(error, known):
        return True
    steps = list(_steps(error))
    if steps and isinstance(error, TypeError) and all(_module(step) == _DISPATCH for step in steps):
        # Python itself says that the arguments do not fit the function, by their names.
        return True
    return _chose_words(error, algorithm) and not _quotes(error, algorithm, known)


def values_in(*values: Any) -> set[str]:
    """The texts and numbers in an input, however deep, as text; of long ones the first."""
    return set(islice(_leaves(list(values)), _MOST_VALUES))


def frames(error: BaseException) -> list[str]:
    """The way to an error through the sources, one step a line, without any word of the error."""
    return [
        f"{_module(step)}, line {step.tb_lineno}, in {step.tb_frame.f_code.co_name}"
        for step in _steps(error)
    ]


def _place(error: BaseException, algorithm: str, words: str) -> str:
    """Where it was: the last line of the algorithm itself, and the library that it had called."""
    steps, root = list(_steps(error)), algorithm.partition(".")[0]
    inside = [step for step in steps if _module(step).partition(".")[0] == root]
    place = ""
    if inside:
        step = inside[-1]
        place = f"{_module(step)}, line {step.tb_lineno}, in {step.tb_frame.f_code.co_name}"
    library = _module(steps[-1]).partition(".")[0] if steps else ""
    parts = [
        place,
        f"raised in {library}" if library not in ("", root, _OWN) else "",
        "" if words or not str(error) else "its text is left out, as it can show data",
    ]
    return "; ".join(part for part in parts if part) or "in the call itself"


def _steps(error: BaseException) -> Iterator[TracebackType]:
    step = error.__traceback__
    while step is not None:
        yield step
        step = step.tb_next


def _module(step: TracebackType) -> str:
    return str(step.tb_frame.f_globals.get("__name__", ""))


def _chose_words(error: BaseException, algorithm: str) -> bool:
    """Whether our source or that of the algorithm says `raise`, and so what the words are."""
    if isinstance(error, Vantage6Error):
        return True
    steps = list(_steps(error))
    homes = (_OWN, algorithm.partition(".")[0])
    return bool(steps) and _module(steps[-1]).partition(".")[0] in homes and _is_raise(steps[-1])


def _is_raise(step: TracebackType) -> bool:
    """Whether the source says `raise` there; other lines call something that raised it."""
    import dis

    code = step.tb_frame.f_code.co_code
    return dis.opname[code[step.tb_lasti]] == "RAISE_VARARGS"


def _quotes(error: BaseException, algorithm: str, known: Collection[str]) -> bool:
    """Whether the words hold those of another error that this one was raised for."""
    words, other = str(error), error.__cause__ or error.__context__
    for _ in range(_MOST_ERRORS):
        if other is None:
            return False
        quotable = {str(other), *map(str, other.args)} - {""}
        is_harmless = _is_known(other, known) or _chose_words(other, algorithm)
        if any(text in words for text in quotable) and not is_harmless:
            return True
        other = other.__cause__ or other.__context__
    return True


def _is_known(error: BaseException, known: Collection[str]) -> bool:
    return bool(error.args) and all(str(part) in known for part in error.args)


def _leaves(values: list[Any]) -> Iterator[str]:
    waiting: list[Any] = [values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple):
            waiting += value
        elif isinstance(value, str | int | float):
            yield str(value)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_CHARACTERS else f"{line[:_MOST_CHARACTERS]}…"
