"""Does what it is told with the classic client that its Python has; runs outside our environment.

One request a line comes in, one answer a line goes out, both as JSON. A name that a request looks
up is one of the classic client's module, of this file, or of what an earlier request kept.
"""

import base64
import json
import os
import queue
import sys

import socketio

import vantage6.client

PATIENCE = 20


class Socket:
    """A socket as the classic line opens it, which remembers what it hears in /tasks."""

    EVENTS = ("new_task", "status_update", "container_failed", "expired_token", "message")

    def __init__(self, url, token, transport):
        self.heard = queue.Queue()
        self.client = socketio.Client(reconnection=False)
        for event in (*self.EVENTS, "connect", "disconnect"):
            self.client.on(event, self._listen(event), namespace="/tasks")
        headers = {"Authorization": f"Bearer {token}"}
        self.client.connect(url, headers=headers, namespaces=["/tasks"], transports=[transport])

    def wait_for(self, event):
        """The payload of the next event of this name."""
        while True:
            name, payload = self.heard.get(timeout=PATIENCE)
            if name == event:
                return payload

    def say(self, event, payload):
        self.client.emit(event, payload, namespace="/tasks")

    def transport(self):
        return self.client.transport()

    def close(self):
        self.client.disconnect()

    def _listen(self, event):
        def remember(*payload):
            self.heard.put((event, payload[0] if payload else None))

        return remember


def main():
    # what the client prints must not come between the answers
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    names = {**vars(vantage6.client), "Socket": Socket}
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line), names), default=as_json) + "\n")
        answers.flush()


def answer(request, names):
    try:
        value = carry_out(request, names)
    except Exception as error:  # noqa: BLE001 - the other side decides what it means
        return {"error": type(error).__name__, "text": str(error)}
    if "keep" in request:
        names[request["keep"]] = value
        return {"value": None}
    return {"value": value}


def carry_out(request, names):
    first, *steps = request["name"].split(".")
    found = names[first]
    for step in steps[:-1]:
        found = getattr(found, step)
    if "set" in request:
        return setattr(found, steps[-1], request["set"])
    if steps:
        found = getattr(found, steps[-1])
    if "call" in request:
        arguments, options = request["call"]
        return found(*arguments, **options)
    return found


def as_json(value):
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    return repr(value)


if __name__ == "__main__":
    main()
