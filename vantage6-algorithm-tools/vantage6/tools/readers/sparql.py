"""SPARQL endpoints."""

from io import BytesIO
from typing import TYPE_CHECKING, Any

from vantage6.tools.exceptions import DatabaseError, InputError

if TYPE_CHECKING:
    from pandas import DataFrame


def read(endpoint: str, input_data: dict[str, Any]) -> "DataFrame":
    """The answer of an endpoint to the `query` of an input, as a table.

    Raises
    ------
    InputError
        When the input holds no query.
    DatabaseError
        When the image holds no library for it.
    """
    import pandas

    query = input_data.get("query")
    if not isinstance(query, str) or not query.strip():
        raise InputError("The input holds no query for the SPARQL endpoint")
    try:
        from SPARQLWrapper import CSV, SPARQLWrapper
    except ImportError as error:
        raise DatabaseError(
            "This image cannot ask SPARQL endpoints: "
            "it needs vantage6-algorithm-tools[sparql] to be installed"
        ) from error
    wrapper = SPARQLWrapper(endpoint, returnFormat=CSV)
    wrapper.setQuery(query)
    answer = wrapper.queryAndConvert()
    if not isinstance(answer, bytes):
        raise DatabaseError("The SPARQL endpoint did not answer with CSV")
    return pandas.read_csv(BytesIO(answer))
