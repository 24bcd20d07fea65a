from marshmallow import Schema, fields


class MessageOutput(Schema):
    """What was done, or what went wrong, in words."""

    msg = fields.String(required=True)


class PurgedOutput(MessageOutput):
    """What was deleted of runs, and how much it was."""

    runs = fields.Integer()
    bytes = fields.Integer()


class RefusalOutput(MessageOutput):
    """Why a request was refused, with the fields at fault where there are some."""

    errors = fields.Dict(keys=fields.String())
    # Where an upload stands, to go on from there.
    received = fields.Integer()
    # Of errors of the server: to find it in the log.
    request_id = fields.String()


class VersionOutput(Schema):
    """The version of the server, and what it can do that others of the line cannot."""

    version = fields.String()
    # Whether an order of a task may be repeated with the same key.
    idempotency_keys = fields.Boolean()
    # Whether a task may name a quorum and a deadline.
    quorum = fields.Boolean()
    # Whether nodes may take runs with one call.
    take = fields.Boolean()
    # That large payloads may be uploaded: bytes from which on, and bytes of a piece.
    uploads = fields.Dict(keys=fields.String(), values=fields.Integer())


class StatsOutput(Schema):
    """How much there is of what the caller may see; null for what is not for the caller."""

    organizations = fields.Integer(allow_none=True)
    collaborations = fields.Integer(allow_none=True)
    nodes = fields.Integer(allow_none=True)
    nodes_online = fields.Integer(allow_none=True)
    users = fields.Integer(allow_none=True)
    tasks = fields.Integer(allow_none=True)
    open_results = fields.Integer(allow_none=True)


class HealthOutput(Schema):
    """Whether the parts answer that the server needs."""

    # Only where one is configured. While it is away the server still answers.
    excludable = ("broker",)

    database = fields.Boolean()
    broker = fields.Boolean()
