"""The server's command, with access tokens that live for as many seconds as its first argument."""

import sys
from datetime import timedelta

from vantage6.server.cli import main
from vantage6.server.service import token

if __name__ == "__main__":
    life = timedelta(seconds=int(sys.argv.pop(1)))
    token.ACCESS_LIFE = token.ACCESS_LIFE_IN_TESTS = life
    main()
