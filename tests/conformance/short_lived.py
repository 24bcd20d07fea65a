"""The server's command, with access tokens that live for as many seconds as its first argument.

The command becomes another program once the database is ready; here that is this file again.
"""

import os
import sys
from datetime import timedelta

SERVING = "vantage6.server.serving"


def prepare(life: str) -> None:
    """Run the command, and become `serve` instead of its program."""
    from vantage6.server.cli import main

    execute = os.execv

    def become(python: str, command: list[str]) -> None:
        options = command[command.index(SERVING) + 1 :]
        execute(python, [python, "-P", __file__, life, SERVING, *options])

    os.execv = become
    main()


def serve(life: str) -> None:
    """Serve, with the life of tokens changed before anything uses it."""
    from gevent import monkey

    monkey.patch_all()
    from vantage6.server.service import token
    from vantage6.server.serving.process import main

    token.ACCESS_LIFE = token.ACCESS_LIFE_IN_TESTS = timedelta(seconds=int(life))
    main()


if __name__ == "__main__":
    seconds = sys.argv.pop(1)
    if sys.argv[1] == SERVING:
        del sys.argv[1]
        serve(seconds)
    else:
        prepare(seconds)
