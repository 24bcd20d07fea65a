"""What organizations say that their nodes can read."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("organization", sa.Column("capabilities", sa.Text(), nullable=True))
