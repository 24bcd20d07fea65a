"""SQL databases: PostgreSQL servers, and files of SQLite. They are read and never written.

The query comes from whoever asked for the run, so it is not trusted: it is asked only where the
data owner allows that (`own_queries`), since it can make any rows. It is one statement, sent as
the query of a cursor, within a transaction in which the server refuses to write. What it may read
is for the rights of the account in the address to decide.
"""

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from vantage6.tools.disclosure import Disclosure
from vantage6.tools.exceptions import DatabaseError, InputError

if TYPE_CHECKING:
    from pandas import DataFrame
    from sqlalchemy import URL, Connection, Engine

_SQLITE = "sqlite"
_POSTGRES = "postgresql"
_DRIVER = "postgresql+psycopg"
#: Seconds until a server has to answer.
_PATIENCE = 30


def read(database_uri: str, input_data: dict[str, Any]) -> "DataFrame":
    """The answer of a database to the `query` of an input, or the table that its `table` names.

    Parameters
    ----------
    database_uri : str
        Path of a file of SQLite, or the address of a PostgreSQL server.
    input_data : dict
        With `query`: one SELECT, where the data owner lets researchers write them. Or with
        `table`: a name, with that of the schema and a dot in front where it is not in the usual
        one.

    Raises
    ------
    InputError
        When the input names neither.
    DisclosureRefused
        For a query, unless the data owner allows those.
    DatabaseError
        When the server cannot be reached, or refuses; never with the words of the server.
    """
    import pandas

    try:
        import sqlalchemy
    except ImportError as error:
        raise DatabaseError(
            "This image cannot ask SQL databases: "
            "it needs vantage6-algorithm-tools[sql] to be installed"
        ) from error
    key, _ = _wish(input_data)
    if key == "query":
        Disclosure.at_this_site().require_own_queries()
    engine = _engine(database_uri)
    try:
        with engine.connect() as connection:
            cursor = _reading(connection).exec_driver_sql(_query(input_data, engine))
            rows = [tuple(row) for row in cursor.fetchall()]
            names = list(cursor.keys())
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise DatabaseError(_reason(error)) from error
    finally:
        engine.dispose()
    # Exact decimals of the server become numbers: algorithms compute with them.
    return pandas.DataFrame.from_records(rows, columns=names, coerce_float=True)


def _wish(input_data: dict[str, Any]) -> tuple[str, str]:
    """What the input asks for: `query` or `table`, and its text."""
    for key in ("query", "table"):
        wish = input_data.get(key)
        if isinstance(wish, str) and wish.strip():
            return key, wish.strip()
    raise InputError("The input holds neither a query nor a table for the SQL database")


def _query(input_data: dict[str, Any], engine: "Engine") -> str:
    key, wish = _wish(input_data)
    if key == "query":
        return wish.rstrip("; \n\t")
    quote = engine.dialect.identifier_preparer.quote_identifier
    return f"SELECT * FROM {'.'.join(quote(part) for part in wish.split('.'))}"


def _engine(uri: str) -> "Engine":
    import sqlalchemy

    url = _url(uri)
    if url.get_backend_name() == _SQLITE:
        return sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    arguments = {"connect_timeout": _PATIENCE, "options": "-c default_transaction_read_only=on"}
    return sqlalchemy.create_engine(
        url, connect_args=arguments, poolclass=sqlalchemy.NullPool, hide_parameters=True
    )


def _url(uri: str) -> "URL":
    """The address with the driver that we have; without a scheme it is a file of SQLite."""
    from sqlalchemy import URL, make_url
    from sqlalchemy.exc import ArgumentError

    if "://" not in uri or uri.startswith((f"{_SQLITE}://", "file://")):
        path = uri.removeprefix(f"{_SQLITE}:///").removeprefix("file://")
        return URL.create(
            _SQLITE, database=f"file:{PurePath(path)}", query={"mode": "ro", "uri": "true"}
        )
    try:
        url = make_url(uri)
    except (ArgumentError, ValueError):
        # It holds a password, so nothing of it is told, and no cause either.
        raise DatabaseError("The address of the SQL database cannot be read") from None
    if url.drivername.split("+")[0] not in (_POSTGRES, "postgres"):
        raise DatabaseError(
            f"This image knows how to read PostgreSQL and SQLite, not {url.drivername!r}"
        )
    return url.set(drivername=_DRIVER)


def _reading(connection: "Connection") -> "Connection":
    """The connection, so that it can do nothing but read."""
    if connection.dialect.name == _SQLITE:
        _only_reading(connection)
        return connection
    # A cursor on the server takes one query and nothing else.
    return connection.execution_options(
        postgresql_readonly=True, stream_results=True, no_parameters=True
    )


def _only_reading(connection: "Connection") -> None:
    import sqlite3

    allowed = {
        sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    }  # fmt: skip
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    raw.set_authorizer(
        lambda action, *_: sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY
    )


def _reason(error: Exception) -> str:
    """What went wrong in the words of the driver's classes, which are those of the standard."""
    original = getattr(error, "orig", None)
    kind = type(original or error).__name__
    if getattr(error, "statement", None) is None:
        return "The SQL database cannot be reached, or refuses the account of the node's address"
    return f"The SQL database refuses the query ({kind})"
