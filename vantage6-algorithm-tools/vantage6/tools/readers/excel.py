"""Workbooks of Excel."""

from typing import TYPE_CHECKING, Any

from vantage6.tools.exceptions import DatabaseError, InputError

if TYPE_CHECKING:
    from pandas import DataFrame


def read(database_uri: str, input_data: dict[str, Any]) -> "DataFrame":
    """One sheet of a workbook: the one that `sheet_name` of an input names, else the first.

    Parameters
    ----------
    database_uri : str
        Path of a file in the format of Excel 2007 or later.
    input_data : dict
        `sheet_name` is a name, or a number from 0.

    Raises
    ------
    InputError
        When there is no such sheet.
    DatabaseError
        When the image holds no library for it.
    """
    import pandas

    try:
        book = pandas.ExcelFile(database_uri, engine="openpyxl")
    except ImportError as error:
        raise DatabaseError(
            "This image cannot read workbooks: "
            "it needs vantage6-algorithm-tools[excel] to be installed"
        ) from error
    with book:
        sheet = _sheet(input_data.get("sheet_name"), [str(name) for name in book.sheet_names])
        return pandas.read_excel(book, sheet_name=sheet)


def _sheet(wish: Any, names: list[str]) -> str:
    if wish is None:
        return names[0]
    if isinstance(wish, str) and wish in names:
        return wish
    if type(wish) is int and 0 <= wish < len(names):
        return names[wish]
    raise InputError(f"The workbook has no sheet {wish!r:.80}")
