"""A researcher's script in a process of its own: waits for a task, and prints its values.

Run by `test_terminal.py`.
"""

import json
import sys

from vantage6.client import Client
from vantage6.common.exceptions import TaskFailed


def main() -> None:
    """Wait for the task that the arguments name."""
    options = json.loads(sys.argv[1])
    client = Client("http://127.0.0.1", options["port"])
    client.authenticate("alpha", "Passw0rd!")
    client.setup_encryption(None)
    try:
        print("values", client.task.wait(options["task"]))
    except TaskFailed as error:
        print("failed", error)
    except KeyboardInterrupt:
        print("interrupted")


if __name__ == "__main__":
    main()
