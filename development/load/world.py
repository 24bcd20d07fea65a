"""A collaboration of many organizations, each with a node, written straight into the database."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import bcrypt
from sqlalchemy import Connection, create_engine, text

# The least that the classic server accepts: it tries a key on every node that there is.
_CHEAPEST = 4


@dataclass(frozen=True)
class World:
    """What was made.

    Attributes
    ----------
    collaboration : int
    organizations : list of int
    api_keys : list of str
        Those of the nodes, in the order of the organizations.
    """

    collaboration: int
    organizations: list[int]
    api_keys: list[str]


def make(uri: str, size: int, *, is_ours: bool = True) -> World:
    """Make a collaboration without encryption in the database of a server that has started once.

    The organization of the first user is in it as well, without a node: it is who asks.

    Parameters
    ----------
    uri : str
        As SQLAlchemy wants it; the server may run.
    size : int
        How many organizations, each with a node.
    is_ours : bool
        Whether the server is ours, and not the classic one.
    """
    engine = create_engine(uri)
    try:
        with engine.begin() as connection:
            return _make(connection, size, _digest if is_ours else _hash, is_ours=is_ours)
    finally:
        engine.dispose()


def _make(
    connection: Connection, size: int, stored: Callable[[str], str], *, is_ours: bool
) -> World:
    mark = secrets.token_hex(4)
    collaboration = connection.execute(
        text("INSERT INTO collaboration (name, encrypted) VALUES (:name, :no) RETURNING id"),
        {"name": f"load-{mark}", "no": False},
    ).scalar_one()
    names = [{"name": f"load-{mark}-{number}"} for number in range(size)]
    connection.execute(text("INSERT INTO organization (name) VALUES (:name)"), names)
    organizations = list(
        connection.execute(
            text("SELECT id FROM organization WHERE name LIKE :mark ORDER BY id"),
            {"mark": f"load-{mark}-%"},
        ).scalars()
    )
    members = [{"o": id_, "c": collaboration} for id_ in organizations]
    asking = connection.execute(text('SELECT min(organization_id) FROM "user"')).scalar_one()
    connection.execute(
        text('INSERT INTO "Member" (organization_id, collaboration_id) VALUES (:o, :c)'),
        [*members, {"o": asking, "c": collaboration}],
    )
    api_keys = [secrets.token_hex(16) for _ in organizations]
    column = "api_key_digest" if is_ours else "api_key"
    rows = [
        {**member, "id": id_, "name": f"node {id_}", "key": stored(key)}
        for member, id_, key in zip(members, _identities(connection, size), api_keys, strict=True)
    ]
    connection.execute(
        text(
            f"INSERT INTO node (id, name, organization_id, collaboration_id, {column})"
            " VALUES (:id, :name, :o, :c, :key)"
        ),
        rows,
    )
    return World(collaboration, organizations, api_keys)


def _identities(connection: Connection, size: int) -> list[int]:
    """New ids for nodes."""
    connection.execute(text("INSERT INTO authenticatable (type) VALUES ('node')"), [{}] * size)
    query = "SELECT id FROM authenticatable WHERE type = 'node' AND id NOT IN (SELECT id FROM node)"
    return list(connection.execute(text(f"{query} ORDER BY id")).scalars())


def _digest(api_key: str) -> str:
    return hashlib.sha256(api_key.encode()).hexdigest()


def _hash(api_key: str) -> str:
    return bcrypt.hashpw(api_key.encode(), bcrypt.gensalt(_CHEAPEST)).decode()
