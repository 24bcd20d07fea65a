"""SPARQL endpoints."""

from io import BytesIO
from typing import TYPE_CHECKING

from vantage6.tools.exceptions import DatabaseError

if TYPE_CHECKING:
    from pandas import DataFrame


def read(endpoint: str, query: str) -> "DataFrame":
    """The answer of an endpoint to a query, as a table.

    Raises
    ------
    DatabaseError
        When the image holds no library for it.
    """
    import pandas

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
