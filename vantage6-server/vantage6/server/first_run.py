"""What a server needs before it can serve: tables, rules, roles, a first user, a secret."""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.engine import URL
from sqlalchemy.orm import Session

from vantage6.common.exceptions import ConfigurationError
from vantage6.server import migration
from vantage6.server.configuration import MINIMUM_SECRET_LENGTH
from vantage6.server.model import Organization, Role, Rule, User
from vantage6.server.permission.catalogue import RULES, RuleKey
from vantage6.server.permission.role import DEFAULT_ROLES, ROOT

ROOT_NAME = "root"
ROOT_EMAIL = "root@domain.ext"
SECRET_FILE = "jwt_secret"
_TYPES_WITH_KNOWN_PASSWORD = ("dev", "test")


@dataclass(frozen=True)
class Prepared:
    """What was done to make a database ready.

    Attributes
    ----------
    revisions : list of str
        The migrations that were applied.
    root_password : str, optional
        The password of the user `root`, when that was made now and its password is random.
        It is kept nowhere, so whoever gets this must show it.
    """

    revisions: list[str]
    root_password: str | None


def prepare(
    url: URL,
    server_type: str | None,
    *,
    before: Callable[[Connection], None] | None = None,
    after: Callable[[Session], None] | None = None,
) -> Prepared:
    """Make a database ready for a server: all of it, or nothing when something fails.

    Servers that start at the same time do this one after the other.

    Parameters
    ----------
    url : URL
    server_type : str, optional
        The `type` of the configuration; `root` has a known password only in `dev` and `test`.
    before, after : callable, optional
        More to do in the same transaction.
    """
    with migration.exclusive(url) as connection:
        if before:
            before(connection)
        revisions = migration.upgrade(connection)
        with Session(bind=connection) as session:
            add_rules(session)
            add_roles(session)
            password = add_root(session, server_type)
            if after:
                after(session)
            session.commit()
    return Prepared(revisions, password)


def add_rules(session: Session) -> None:
    """Add the rules of the catalogue that are missing, in its order."""
    known = _rules(session)
    session.add_all(
        Rule(
            name=record.name,
            scope=record.scope,
            operation=record.operation,
            description=record.description,
        )
        for record in RULES
        if record.key not in known
    )
    session.flush()


def add_roles(session: Session) -> None:
    """Add the default roles that are missing, by name; those that are there stay as they are."""
    rules = _rules(session)
    known = set(session.scalars(select(Role.name).where(Role.organization_id.is_(None))))
    for default in DEFAULT_ROLES:
        if default.name not in known:
            role = Role(name=default.name, description=default.description)
            role.rules = [rules[record.key] for record in default.rules]
            session.add(role)
    session.flush()


def _rules(session: Session) -> dict[RuleKey, Rule]:
    return {rule.key: rule for rule in session.scalars(select(Rule))}


def add_root(session: Session, server_type: str | None) -> str | None:
    """Add the user `root` unless there is one; the password when it is a random one."""
    if session.scalar(select(User.id).where(User.username == ROOT_NAME)):
        return None
    role = session.scalars(
        select(Role).where(Role.name == ROOT.name, Role.organization_id.is_(None))
    ).one()
    namesake = session.scalar(select(User).where(User.email == ROOT_EMAIL))
    # Anybody else may have taken the address; that must not keep the server from starting.
    if namesake and role in namesake.roles:
        raise ConfigurationError(
            f"There is no user {ROOT_NAME!r}, and none can be made because another user has "
            f"the e-mail address {ROOT_EMAIL}"
        )
    known_password = server_type in _TYPES_WITH_KNOWN_PASSWORD
    password = ROOT_NAME if known_password else secrets.token_urlsafe(16)
    organization = session.scalar(select(Organization).where(Organization.name == ROOT_NAME))
    session.add(
        User(
            username=ROOT_NAME,
            password=password,
            email=None if namesake else ROOT_EMAIL,
            organization=organization or Organization(name=ROOT_NAME),
            roles=[role],
        )
    )
    session.flush()
    return None if known_password else password


def load_secret(config: dict[str, Any], data_dir: Path) -> str:
    """The key that tokens are signed with: the configured one, else one of our own.

    Ours is random, and kept in the data folder where only the owner can read it, so that tokens
    outlive a restart.

    Raises
    ------
    ConfigurationError
        When the key is too short to be safe, or cannot be read or written.
    """
    if config.get("jwt_secret_key"):
        return _check_secret(config["jwt_secret_key"], "jwt_secret_key in the configuration")
    path = data_dir / SECRET_FILE
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _write_once(path, secrets.token_urlsafe(48))
        path.chmod(0o600)
        return _check_secret(path.read_text(encoding="utf-8").strip(), str(path))
    except OSError as error:
        raise ConfigurationError(
            f"The secret {path} cannot be read or written: {error.strerror}"
        ) from error


def _check_secret(secret: str, where: str) -> str:
    if len(secret) < MINIMUM_SECRET_LENGTH:
        raise ConfigurationError(
            f"The secret for signing tokens is too short to be safe ({where}): it needs "
            f"{MINIMUM_SECRET_LENGTH} characters or more"
        )
    return secret


def _write_once(path: Path, content: str) -> None:
    """Write a file of the owner alone; when two do so at once, the first one's stays."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    try:
        # Unlike a rename, a link never replaces what another server wrote meanwhile.
        os.link(unfinished, path)
    except FileExistsError:
        pass
    finally:
        unfinished.unlink()
