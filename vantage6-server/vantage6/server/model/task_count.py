"""The number of tasks of each collaboration, kept by the database itself.

Every page of a list tells the total, and to count a million rows takes longer than the rest of
the request. Triggers see every way in which tasks come and go, also cascades.
"""

from typing import Any

from sqlalchemy import (
    DDL,
    Column,
    ColumnElement,
    ForeignKey,
    Integer,
    Select,
    Table,
    event,
    func,
    select,
)
from sqlalchemy.sql import visitors

from vantage6.server.model.base import Base
from vantage6.server.model.task import Task

TaskCount = Table(
    "task_count",
    Base.metadata,
    Column(
        "collaboration_id",
        ForeignKey("collaboration.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("tasks", Integer, nullable=False),
)

_SQLITE = (
    """
    CREATE TRIGGER task_count_insert AFTER INSERT ON task BEGIN
        INSERT INTO task_count (collaboration_id, tasks) VALUES (NEW.collaboration_id, 1)
        ON CONFLICT (collaboration_id) DO UPDATE SET tasks = tasks + 1;
    END
    """,
    """
    CREATE TRIGGER task_count_delete AFTER DELETE ON task BEGIN
        UPDATE task_count SET tasks = tasks - 1 WHERE collaboration_id = OLD.collaboration_id;
    END
    """,
    """
    CREATE TRIGGER task_count_update AFTER UPDATE OF collaboration_id ON task BEGIN
        UPDATE task_count SET tasks = tasks - 1 WHERE collaboration_id = OLD.collaboration_id;
        INSERT INTO task_count (collaboration_id, tasks) VALUES (NEW.collaboration_id, 1)
        ON CONFLICT (collaboration_id) DO UPDATE SET tasks = tasks + 1;
    END
    """,
)
# Once per statement: many rows of one statement would each write the same row once more.
_POSTGRESQL = (
    """
    CREATE OR REPLACE FUNCTION count_tasks() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP <> 'INSERT' THEN
            UPDATE task_count SET tasks = task_count.tasks - less.tasks
            FROM (SELECT collaboration_id, count(*) AS tasks FROM gone GROUP BY 1) AS less
            WHERE task_count.collaboration_id = less.collaboration_id;
        END IF;
        IF TG_OP <> 'DELETE' THEN
            INSERT INTO task_count (collaboration_id, tasks)
            SELECT collaboration_id, count(*) FROM come GROUP BY 1 ORDER BY 1
            ON CONFLICT (collaboration_id)
            DO UPDATE SET tasks = task_count.tasks + EXCLUDED.tasks;
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER task_count_insert AFTER INSERT ON task
    REFERENCING NEW TABLE AS come FOR EACH STATEMENT EXECUTE FUNCTION count_tasks()
    """,
    """
    CREATE TRIGGER task_count_delete AFTER DELETE ON task
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION count_tasks()
    """,
    """
    CREATE TRIGGER task_count_update AFTER UPDATE ON task
    REFERENCING OLD TABLE AS gone NEW TABLE AS come
    FOR EACH STATEMENT EXECUTE FUNCTION count_tasks()
    """,
)
TRIGGERS = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}

for _dialect, _statements in TRIGGERS.items():
    for _statement in _statements:
        event.listen(Task.__table__, "after_create", DDL(_statement).execute_if(dialect=_dialect))


def counted(query: Select[Any]) -> Select[int] | None:
    """How many tasks a query finds; None where it asks for more than their collaboration."""
    table, where = Task.__table__, query.whereclause
    parts: list[Any] = [] if where is None else list(visitors.iterate(where))
    asked = {part.key for part in parts if getattr(part, "table", None) is table}
    if asked - {"collaboration_id"} or any(part is table for part in parts):
        return None
    total = select(func.coalesce(func.sum(TaskCount.c.tasks), 0))
    return total if where is None else total.where(_of_counts(where))


def _of_counts(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """A condition on the collaboration of tasks, as one on that of their numbers."""

    def replace(element: Any, **_: Any) -> ColumnElement[Any] | None:
        is_of_task = getattr(element, "table", None) is Task.__table__
        return TaskCount.c.collaboration_id if is_of_task else None

    return visitors.replacement_traverse(condition, {}, replace)
