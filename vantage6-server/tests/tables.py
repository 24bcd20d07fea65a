"""What is in a database, whatever its tables are: for comparing and for filling it."""

import re
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    Enum,
    Integer,
    LargeBinary,
    Table,
    inspect,
    select,
    text,
)
from sqlalchemy import MetaData as Tables

ROWS = 2

Rows = dict[str, list[dict[str, Any]]]

_POSTGRESQL = {
    "columns": """
        SELECT table_name, column_name, data_type, character_maximum_length, is_nullable,
            column_default, is_identity
        FROM information_schema.columns WHERE table_schema = 'public'
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
    """,
    "types": """
        SELECT typname, enumlabel FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid
    """,
    "indexes": "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "triggers": "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "functions": """
        SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    """,
}


def definition(connection: Connection) -> dict[str, list[Any]]:
    """What makes the tables, to the letter, whatever order it was made in."""
    if connection.dialect.name == "postgresql":
        found = {
            kind: sorted(map(str, connection.execute(text(query))))
            for kind, query in _POSTGRESQL.items()
        }
        return {
            kind: [line for line in lines if "alembic_version" not in line]
            for kind, lines in found.items()
        }
    rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    return {row.name: _parts(row.sql) for row in rows if row.name != "alembic_version"}


def _parts(sql: str) -> list[str]:
    # A column that was added later stands where the models have it, in other white space.
    spaced = re.sub(r"\s*([,()])\s*", r"\1 ", " ".join(sql.split()))
    # SQLite takes a constraint for such a column only beside it, and the models set it below.
    inline = re.compile(r"(\w+) (\w+) CONSTRAINT (\w+) (REFERENCES \w+\( \w+\) )")
    spaced, constraints = inline.sub(r"\1 \2", spaced), inline.findall(spaced)
    below = [f"{name} FOREIGN KEY( {column}) {there}" for column, _, name, there in constraints]
    return sorted([*spaced.removesuffix(") ").split(", CONSTRAINT "), *below])


def fill(connection: Connection) -> Rows:
    """Put rows into every table that have a value in every column; what is then in them.

    What the tables are is asked of the database: this works for those of every revision.
    """
    tables = reflect(connection)
    for table in tables.sorted_tables:
        for number in range(1, ROWS + 1):
            if _is_kept_by_triggers(table):
                continue
            values = {c.name: _value(connection, c, number) for c in table.columns}
            connection.execute(table.insert().values(values))
    return content(connection)


def reflect(connection: Connection) -> Tables:
    """The tables of the data, as the database describes them."""
    tables = Tables()
    tables.reflect(connection, only=lambda name, _: name != "alembic_version")
    return tables


def content(connection: Connection) -> Rows:
    """Everything in every table."""
    return {
        table.name: [
            dict(row._mapping)
            for row in connection.execute(table.select().order_by(*table.primary_key))
        ]
        for table in reflect(connection).sorted_tables
    }


def dangling(connection: Connection) -> list[str]:
    """The foreign keys, with the value, that refer to what is not there."""
    found = []
    for table in reflect(connection).sorted_tables:
        for key in table.foreign_keys:
            column, target = key.parent, key.column
            there = select(target.table.alias().c[target.name])
            lost = table.select().where(column.is_not(None), column.not_in(there))
            found += [f"{column}: {row}" for row in connection.execute(lost)]
    return found


def _is_kept_by_triggers(table: Table) -> bool:
    return table.name == "task_count"


def _value(connection: Connection, column: Column[Any], number: int) -> Any:
    """A value that the constraints of a column let through, different for each row."""
    allowed = _allowed(connection, column)
    if allowed:
        return allowed[number % len(allowed)]
    if isinstance(column.type, Integer):
        is_own_parent = any(key.column.table is column.table for key in column.foreign_keys)
        return 1 if is_own_parent else number
    for key in column.foreign_keys:
        return _value(connection, key.column, number)
    if isinstance(column.type, Boolean):
        return number % 2 == 1
    if isinstance(column.type, DateTime):
        return datetime(2020, 1, number, 12, 30, 15, 123456)
    if isinstance(column.type, LargeBinary):
        return bytes([0, number, 255])
    return f"{column.name} {number} é"[: getattr(column.type, "length", None)]


def _allowed(connection: Connection, column: Column[Any]) -> list[str]:
    """The words that its type, or a check of the table, allows in a column."""
    if isinstance(column.type, Enum):
        return column.type.enums
    for check in inspect(connection).get_check_constraints(column.table.name):
        if check["name"] == f"ck_{column.table.name}_{column.name}":
            return re.findall(r"'(\w+)'", check["sqltext"])
    return []
