from marshmallow import fields, validate

from vantage6.server.schema.base import Flag, Id, Input

MOST_LETTERS = 64
# Runs that one call may take, each with its input.
MOST_RUNS = 100


class Claim(fields.String):
    """The name that a process of a node goes by."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(validate=validate.Length(1, MOST_LETTERS), **kwargs)  # type: ignore[arg-type]


class ClaimsToKeep(Input):
    """Which process is there, and whether it takes the runs of all others of its node."""

    claim = Claim(required=True)
    take_over = Flag(load_default=False)


class RunsToTake(Input):
    """Which process wants runs, how many, and which of its runs it has."""

    claim = Claim(required=True)
    limit = fields.Integer(required=True, strict=True, validate=validate.Range(1, MOST_RUNS))
    task_id = Id(load_default=None)
    # Those have places of their own, since others wait for them with theirs.
    only_subtasks = Flag(load_default=False)
    # What the process has claimed and does not name was lost on the way to it, and comes again.
    held = fields.List(Id(), load_default=None)
