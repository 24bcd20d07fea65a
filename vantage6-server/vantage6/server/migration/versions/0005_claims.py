"""Which process of a node has a run, and that nothing is left there of one that was killed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("result", sa.Column("claim", sa.String(length=64), nullable=True))
    op.add_column("result", sa.Column("claimed_at", sa.DateTime(), nullable=True))
    op.add_column("result", sa.Column("stopped_at", sa.DateTime(), nullable=True))
