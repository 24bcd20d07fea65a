"""Numbers of tasks."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

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


def upgrade() -> None:
    op.create_table(
        "task_count",
        sa.Column("collaboration_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tasks", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collaboration_id"],
            ["collaboration.id"],
            name=op.f("fk_task_count_collaboration_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("collaboration_id", name=op.f("pk_task_count")),
    )
    op.execute(
        "INSERT INTO task_count (collaboration_id, tasks) "
        "SELECT collaboration_id, count(*) FROM task GROUP BY collaboration_id"
    )
    for statement in TRIGGERS[op.get_bind().dialect.name]:
        op.execute(statement)
