"""A researcher's process that sends or fetches a large payload and tells what it needed.

Run by `test_memory.py`; prints one line of JSON: the growth of its highest memory, in bytes.
"""

import hashlib
import json
import sys
from pathlib import Path

from vantage6.client import Client, File


def main() -> None:
    """Do what the arguments say."""
    options = json.loads(sys.argv[1])
    client = Client("http://127.0.0.1", options["port"], pins_file=options["pins"])
    client.authenticate(options["username"], options["password"])
    client.setup_encryption(options["key"])
    # What is imported at the first call is no part of a payload.
    client.collaboration.list(fields=["id"])
    client.decrypt_results([])
    text = "x" * options["size"] if options["action"] == "send" else ""
    before = peak()
    if options["action"] == "send":
        task = client.task.create(
            options["collaboration"],
            options["organizations"],
            image="algorithm",
            method="size",
            kwargs={"text": text},
        )
        answer = task["id"]
    elif options["action"] == "file":
        task = client.task.create(
            options["collaboration"],
            options["organizations"],
            image="algorithm",
            method="size",
            kwargs={"data": File(options["path"])},
        )
        answer = task["id"]
    elif options["action"] == "download":
        (result,) = client.result.list(task=options["task"], include_payload=False)["data"]
        client.result.download(result["id"], options["path"], show_progress=False)
        answer = result["id"]
    elif options["action"] == "bytes":
        (result,) = client.get_results(task_id=options["task"])
        answer = hashlib.sha256(result["result"]).hexdigest()
    else:
        (value,) = client.task.results(options["task"], show_progress=False)
        answer = hashlib.sha256(value.encode()).hexdigest()
    print(json.dumps({"growth": peak() - before, "answer": answer}))


def peak() -> int:
    """The highest memory so far, in bytes."""
    # Not what `resource` tells: that starts with the memory of the process that started us.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
