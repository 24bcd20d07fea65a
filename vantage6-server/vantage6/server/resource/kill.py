"""Where people stop what is going on."""

from vantage6.server.model import Task
from vantage6.server.permission.catalogue import Operation
from vantage6.server.resource.base import Answer, Resource
from vantage6.server.resource.contract import contract
from vantage6.server.schema.answer import MessageOutput
from vantage6.server.schema.kill import NodeToStop, TaskToKill
from vantage6.server.service import kill as service


class TaskKill(Resource):
    """Where tasks are stopped."""

    route = "/kill/task"

    @contract(takes=TaskToKill, gives=MessageOutput, refusals=(404,))
    def post(self) -> Answer:
        """Stop a task with all that belongs to it: its subtasks, and what it is a subtask of."""
        task = self.load(Operation.DELETE, Task, self.read()["id"])
        killed = service.kill_task(self.session, task)
        return self.say(f"Task {task.id} is stopped, with {killed} run(s)")


class NodeTasksKill(Resource):
    """Where all that a node is doing is stopped."""

    route = "/kill/node/tasks"

    @contract(takes=NodeToStop, gives=MessageOutput, refusals=(404,))
    def post(self) -> Answer:
        """Stop all runs of a node."""
        node_id = self.read()["id"]
        node = service.load_node(self.session, self.identity, node_id)
        killed = service.kill_tasks_of(self.session, node)
        return self.say(f"{killed} run(s) of node {node_id} are stopped")
