"""Sums of powers, of one organization or of all; each execution is told to a witness first."""

import hashlib
import json
import os
import random
import socket
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

PAUSE = 0.2


def main() -> None:
    """Do what the input says and write the answer."""
    input_ = json.loads(Path(os.environ["INPUT_FILE"]).read_bytes().removeprefix(b"json."))
    token = Path(os.environ["TOKEN_FILE"]).read_text()
    tell_witness(input_["kwargs"]["question"])
    answer = METHODS[input_["method"]](token, **input_["kwargs"])
    Path(os.environ["OUTPUT_FILE"]).write_bytes(b"json." + json.dumps(answer).encode())


def tell_witness(question: str) -> None:
    """Say that this result is being worked out; again while the node is away, as the same one."""
    result = Path(os.environ["INPUT_FILE"]).parent.name
    mark = {"question": question, "result": result, "node": os.environ["SOAK_NODE"]}
    line = json.dumps({**mark, "execution": str(uuid.uuid4())}).encode() + b"\n"
    address = (os.environ["SOAK_WITNESS"], int(os.environ["SOAK_WITNESS_PORT"]))
    while True:
        try:
            with socket.create_connection(address) as connection:
                connection.sendall(line)
                if connection.recv(1):
                    return
        except OSError as error:
            print(f"the witness is away: {error}", file=sys.stderr)
        time.sleep(PAUSE)


def partial(
    _token: str,
    *,
    question: str,
    power: int,
    modulus: int,
    seconds: float,
    load: str,
    answer_size: int,
) -> dict[str, Any]:
    """The sum of the powers of this organization's numbers."""
    time.sleep(seconds)
    numbers = map(int, Path(os.environ["DEFAULT_DATABASE_URI"]).read_text().split())
    return {
        "sum": sum(pow(number, power, modulus) for number in numbers) % modulus,
        "read": hashlib.sha256(load.encode()).hexdigest(),
        "load": random.Random(question).randbytes(answer_size // 2).hex(),
    }


def central(token: str, *, question: str, power: int, modulus: int, **rest: Any) -> dict[str, Any]:
    """The sum of the powers of all organizations' numbers."""
    from vantage6.common.client.container import ContainerClient

    client = ContainerClient(
        token, os.environ["HOST"], os.environ["PORT"], os.environ.get("API_PATH", "")
    )
    arguments = {"question": f"{question}/partial", "power": power, "modulus": modulus, **rest}
    answers = client.ask("partial", **arguments).values()
    return {
        "sum": sum(answer["sum"] for answer in answers) % modulus,
        "read": [answer["read"] for answer in answers],
        "load": sum(len(answer["load"]) for answer in answers),
    }


METHODS: dict[str, Callable[..., dict[str, Any]]] = {"partial": partial, "central": central}

if __name__ == "__main__":
    main()
