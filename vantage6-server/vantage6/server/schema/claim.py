from marshmallow import fields, validate

from vantage6.server.schema.base import Flag, Input

MOST_LETTERS = 64


class Claim(fields.String):
    """The name that a process of a node goes by."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(validate=validate.Length(1, MOST_LETTERS), **kwargs)  # type: ignore[arg-type]


class ClaimsToKeep(Input):
    """Which process is there, and whether it takes the runs of all others of its node."""

    claim = Claim(required=True)
    take_over = Flag(load_default=False)
