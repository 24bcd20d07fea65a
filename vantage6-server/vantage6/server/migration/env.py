"""How Alembic runs the revisions: on a connection that it is given, inside its transaction."""

from typing import Any, Literal

from alembic import context

from vantage6.server.model import Base
from vantage6.server.model.base import UTCDateTime


def _without_our_types(kind: str, item: Any, _autogenerate: Any) -> str | Literal[False]:
    """Revisions name the types of the database, so that they outlive those of the models."""
    return "sa.DateTime()" if kind == "type" and isinstance(item, UTCDateTime) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite cannot change a table: it is rebuilt under another name.
    render_as_batch=True,
    compare_server_default=True,
    render_item=_without_our_types,
)
with context.begin_transaction():
    context.run_migrations()
