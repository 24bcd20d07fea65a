"""Write a new revision: `python -m vantage6.server.migration "What changes"`."""

import sys
import tempfile
from pathlib import Path

from sqlalchemy.engine import make_url

from vantage6.server import migration


def main(message: str) -> None:
    """Apply all revisions to an empty database and write what the models have beyond them."""
    with tempfile.TemporaryDirectory() as folder:
        url = make_url(f"sqlite:///{Path(folder) / 'empty.sqlite'}")
        with migration.exclusive(url) as connection:
            migration.upgrade(connection)
        with migration.exclusive(url) as connection:
            print(migration.new_revision(connection, message))


if __name__ == "__main__":
    main(sys.argv[1])
