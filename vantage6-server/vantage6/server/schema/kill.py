from vantage6.server.schema.base import Id, Input


class TaskToKill(Input):
    """The task that is to stop."""

    id = Id(required=True)


class NodeToStop(Input):
    """The node that is to stop all that it is doing."""

    id = Id(required=True)
