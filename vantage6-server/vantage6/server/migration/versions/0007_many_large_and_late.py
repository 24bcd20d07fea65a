"""Several server processes, payloads beside the database, tasks for k of n, and retention."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    _replicas()
    _payloads()
    _settling()
    _retention()


def _replicas() -> None:
    op.create_table(
        "replica",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("seen_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replica")),
    )
    op.create_table(
        "presence",
        sa.Column("replica_id", sa.String(length=36), nullable=False),
        sa.Column("identity_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["replica_id"], ["replica.id"], name=op.f("fk_presence_replica_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["identity_id"],
            ["authenticatable.id"],
            name=op.f("fk_presence_identity_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("replica_id", "identity_id", name=op.f("pk_presence")),
    )
    op.create_index(op.f("ix_presence_identity_id"), "presence", ["identity_id"], unique=False)


def _payloads() -> None:
    op.create_table(
        "blob",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("form", sa.String(length=16), nullable=False),
        sa.Column("text_size", sa.BigInteger(), nullable=False),
        sa.Column("encrypted", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("stored_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blob")),
        sa.UniqueConstraint("digest", name=op.f("uq_blob_digest")),
        sa.UniqueConstraint("name", name=op.f("uq_blob_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "upload",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("collaboration_id", sa.Integer(), nullable=False),
        sa.Column("identity_id", sa.Integer(), nullable=False),
        sa.Column("result_id", sa.Integer(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("form", sa.String(length=16), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("writer", sa.String(length=32), nullable=True),
        sa.Column("blob_id", sa.Integer(), nullable=True),
        sa.Column("touched_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collaboration_id"],
            ["collaboration.id"],
            name=op.f("fk_upload_collaboration_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["identity_id"],
            ["authenticatable.id"],
            name=op.f("fk_upload_identity_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["result_id"], ["result.id"], name=op.f("fk_upload_result_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["blob_id"], ["blob.id"], name=op.f("fk_upload_blob_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload")),
        sa.UniqueConstraint("name", name=op.f("uq_upload_name")),
        sqlite_autoincrement=True,
    )
    for column in ("blob_id", "collaboration_id", "identity_id", "result_id", "touched_at"):
        op.create_index(op.f(f"ix_upload_{column}"), "upload", [column], unique=False)
    for column in ("input_blob_id", "result_blob_id"):
        # With its constraint at once: SQLite can add none to a table later.
        op.execute(
            f"ALTER TABLE result ADD COLUMN {column} INTEGER "
            f"CONSTRAINT fk_result_{column} REFERENCES blob (id)"
        )
        there = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            op.f(f"ix_result_{column}"),
            "result",
            [column],
            unique=False,
            sqlite_where=there,
            postgresql_where=there,
        )


def _settling() -> None:
    op.add_column("task", sa.Column("quorum", sa.Integer(), nullable=True))
    op.add_column("task", sa.Column("deadline", sa.DateTime(), nullable=True))
    op.add_column("task", sa.Column("settled_at", sa.DateTime(), nullable=True))
    unsettled = sa.text("deadline IS NOT NULL AND settled_at IS NULL")
    op.create_index(
        "ix_task_unsettled",
        "task",
        ["deadline"],
        unique=False,
        sqlite_where=unsettled,
        postgresql_where=unsettled,
    )
    late: sa.Column[bool] = sa.Column(
        "late", sa.Boolean(), server_default=sa.false(), nullable=False
    )
    op.add_column("result", late)


def _retention() -> None:
    op.add_column("collaboration", sa.Column("retention_days", sa.Integer(), nullable=True))
    op.add_column("collaboration", sa.Column("purged_till", sa.DateTime(), nullable=True))
    op.add_column("result", sa.Column("ended_at", sa.DateTime(), nullable=True))
    op.add_column("result", sa.Column("purged_at", sa.DateTime(), nullable=True))
    # Nobody knows better of those that have ended already.
    op.execute("UPDATE result SET ended_at = finished_at WHERE finished_at IS NOT NULL")
    kept = sa.text("ended_at IS NOT NULL AND purged_at IS NULL")
    op.create_index(
        "ix_result_kept",
        "result",
        ["ended_at"],
        unique=False,
        sqlite_where=kept,
        postgresql_where=kept,
    )
