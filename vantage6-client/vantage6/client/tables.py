"""Answers of algorithms as tables of pandas."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

__all__ = ["as_frame", "as_one_frame"]


def as_frame(answer: Any, key: str | None = None) -> "pandas.DataFrame":
    """The table in an answer.

    Parameters
    ----------
    answer : object
        A list of records (`[{"term": "age", "coefficient": 0.1}, ...]`), a mapping of columns
        (`{"term": [...], "coefficient": [...]}`, or each by index), a mapping that holds one
        such table among other things, a mapping of plain values (one row), a data frame or a
        series.
    key : str, optional
        Where in the answer the table is, for answers with several.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    ValueError
        When there is no table, or more than one and none was named; the text names those that
        are there.

    Examples
    --------
    >>> as_frame([{"term": "age", "coefficient": 0.1}])
      term  coefficient
    0  age          0.1
    """
    # Only for those who ask for tables: the import takes half a second.
    import pandas

    if key is not None:
        return as_frame(_part(answer, key))
    if isinstance(answer, pandas.DataFrame):
        return answer
    if isinstance(answer, pandas.Series):
        return answer.to_frame()
    if _is_records(answer):
        return pandas.DataFrame.from_records(answer)
    if not isinstance(answer, Mapping) or not answer:
        raise ValueError(f"There is no table in this answer: {_form(answer)}")
    if _is_columns(answer):
        return pandas.DataFrame(dict(answer))
    found = [name for name, part in answer.items() if _is_table(part)]
    if len(found) == 1:
        return as_frame(answer[found[0]])
    if found:
        raise ValueError(f"The answer has more than one table; name one as key: {_names(found)}")
    if not any(map(_is_nested, answer.values())):
        return pandas.DataFrame([dict(answer)])
    raise ValueError(f"There is no table in this answer: {_form(answer)}")


def as_one_frame(answers: Mapping[Any, Any], key: str | None = None) -> "pandas.DataFrame":
    """The tables of several organizations in one, which names them in its outermost index.

    Parameters
    ----------
    answers : mapping
        From organizations to their answers.
    key : str, optional
        As for `as_frame`.
    """
    import pandas

    frames = {name: as_frame(answer, key) for name, answer in answers.items()}
    joined: pandas.DataFrame = pandas.concat(frames, names=["organization"])
    return joined


def _part(answer: Any, key: str) -> Any:
    if not isinstance(answer, Mapping):
        raise ValueError(f"The answer has no part {key!r}: {_form(answer)}")
    if key not in answer:
        raise ValueError(f"The answer has no part {key!r}; it has {_names(list(answer))}")
    return answer[key]


def _is_table(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and _is_columns(value)
    is_frame = type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "columns")
    return is_frame or (_is_records(value) and bool(value))


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)


def _is_columns(value: Mapping[Any, Any]) -> bool:
    """Whether all values are columns: lists of one length, or all of them by index."""
    columns = list(value.values())
    if all(isinstance(column, Mapping) for column in columns):
        return not any(map(_is_nested, (cell for column in columns for cell in column.values())))
    lists = all(isinstance(column, list | tuple) for column in columns)
    return lists and len({len(column) for column in columns}) == 1 and not _holds_tables(columns)


def _holds_tables(columns: list[Any]) -> bool:
    return any(isinstance(cell, Mapping) for column in columns for cell in column)


def _is_nested(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple)


def _names(names: list[Any]) -> str:
    return ", ".join(map(repr, names))


def _form(answer: Any) -> str:
    if isinstance(answer, Mapping):
        return f"a mapping of {_names(list(answer))}" if answer else "an empty mapping"
    return f"a value of type {type(answer).__name__}"
