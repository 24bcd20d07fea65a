"""The runs that a node takes, and tells something of, each with what is to be known of its task.

There is a report for each run there ever was: to load it and all around it as models, and store
what changed, would cost twice as much as to read and write the columns.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Update, bindparam, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from vantage6.server.exceptions import Forbidden
from vantage6.server.model import Collaboration, Result, Task
from vantage6.server.permission.identity import Identity

RUN: Any = Result.__table__
TASK: Any = Task.__table__
_COLLABORATION: Any = Collaboration.__table__
# All but the input, which may be large, and of which a report does not speak.
_OF_RUN = [column for column in RUN.c if column.name != "input"]
#: What `OwnRun.of` makes a run of, together with its task.
COLUMNS = [*_OF_RUN, *TASK.c]


class _OwnTask(SimpleNamespace):
    """The columns of a task."""

    is_limited: Any = Task.is_limited
    over_at: Any = Task.over_at


class OwnRun(SimpleNamespace):
    """The columns of a result but its input, and its `task`."""

    complete: Any = Result.complete

    @classmethod
    def of(cls, row: Sequence[Any]) -> "OwnRun":
        """The run of a row, of which `COLUMNS` are the first."""
        run = cls(**{column.name: value for column, value in zip(_OF_RUN, row, strict=False)})
        of_task = zip(TASK.c, row[len(_OF_RUN) :], strict=False)
        run.task = _OwnTask(**{column.name: value for column, value in of_task})
        return run

    def write(self, session: Session, values: Mapping[str, Any]) -> None:
        """Set several columns of the result, and store them at once.

        Raises
        ------
        StaleDataError
            When it is gone.
        """
        named = {_NEW + name: value for name, value in values.items()}
        statement = _writing(frozenset(values))
        if session.connection().execute(statement, {_KEY: self.id, **named}).rowcount != 1:
            raise StaleDataError(f"Result {self.id} is gone")
        vars(self).update(values)


# Made once, as is what `_writing` makes: to put a statement together costs more than to run it.
_OWN = (
    select(*COLUMNS, _COLLABORATION.c.name, _COLLABORATION.c.encrypted)
    .join_from(RUN, TASK, RUN.c.task_id == TASK.c.id)
    .join(_COLLABORATION, TASK.c.collaboration_id == _COLLABORATION.c.id)
    .where(
        RUN.c.id == bindparam("id"),
        RUN.c.organization_id == bindparam("organization"),
        TASK.c.collaboration_id == bindparam("collaboration"),
    )
    .with_for_update(of=RUN)
)
# What the values of a statement are called: other names than those of the columns.
_KEY, _NEW = "this_one", "new_"


def load(session: Session, identity: Identity, id_: int) -> OwnRun:
    """A run, locked, if it is the calling node's.

    Raises
    ------
    Forbidden
        When it is not, or there is none.
    """
    place = {"organization": identity.organization_id, "collaboration": identity.collaboration_id}
    row = session.connection().execute(_OWN, {"id": id_, **place}).first()
    if row is None:
        raise Forbidden("This run is not one of this node")
    run = OwnRun.of(row)
    run.task.collaboration = SimpleNamespace(name=row[-2], encrypted=row[-1])
    return run


@cache
def _writing(columns: frozenset[str]) -> Update:
    """What sets columns of one result."""
    values = {name: bindparam(_NEW + name, type_=RUN.c[name].type) for name in columns}
    statement: Update = update(RUN).where(RUN.c.id == bindparam(_KEY)).values(values)
    return statement
