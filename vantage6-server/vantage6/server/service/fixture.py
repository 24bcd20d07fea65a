"""Import of organizations, users, collaborations, nodes and tasks from a YAML file.

::

    organizations:
      - name: ...              # the seven keys must be there, all but the name may be empty
        domain: ...
        address1: ...
        address2: ...
        zipcode: ...
        country: ...
        public_key: <base64>
        users:
          - username: ...
            password: ...
            firstname: ...
            lastname: ...
            email: ...
    collaborations:
      - name: ...
        participants:
          - name: <organization>
            api_key: <UUID>
        tasks: ["image"]
        encrypted: false
"""

import base64
import binascii
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from marshmallow import Schema, ValidationError, fields, post_load, validate
from sqlalchemy import ColumnElement, Connection, select
from sqlalchemy.orm import Session

from vantage6.common.encryption import DummyCryptor
from vantage6.common.exceptions import ConfigurationError
from vantage6.common.serialization import serialize
from vantage6.server.model import (
    Base,
    Collaboration,
    Node,
    Organization,
    Result,
    Role,
    Rule,
    Run,
    Task,
    User,
)
from vantage6.server.model.node import digest_api_key

# The role that every imported user gets, one per organization.
SUPER_ROLE = "super"
EXAMPLE_TASK = "Example task"
EXAMPLE_INPUT: dict[str, Any] = {"method": "example", "args": [], "kwargs": {}}
# The revision that the tables have; without it they are made again.
_REVISION_TABLE = "alembic_version"

_not_empty = validate.Length(min=1, error="Must not be empty")


def _check_base64(value: str | None) -> None:
    try:
        base64.b64decode(value or "", validate=True)
    except binascii.Error as error:
        raise ValidationError("Not base64") from error


def _check_api_key(value: str) -> None:
    try:
        is_canonical = str(uuid.UUID(value)) == value
    except ValueError:
        is_canonical = False
    if not is_canonical:
        raise ValidationError("Not a UUID in lower-case letters with hyphens")


class _Entry(Schema):
    @post_load
    def empty_is_null(self, values: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Texts that are left empty are not there at all."""
        return {key: None if value == "" else value for key, value in values.items()}


class UserEntry(_Entry):
    """A user below an organization."""

    username = fields.String(required=True, validate=_not_empty)
    password = fields.String(required=True, validate=_not_empty)
    firstname = fields.String(load_default=None, allow_none=True)
    lastname = fields.String(load_default=None, allow_none=True)
    email = fields.String(load_default=None, allow_none=True)


class OrganizationEntry(_Entry):
    """An organization with its users."""

    name = fields.String(required=True, validate=_not_empty)
    domain = fields.String(required=True, allow_none=True)
    address1 = fields.String(required=True, allow_none=True)
    address2 = fields.String(required=True, allow_none=True)
    zipcode = fields.String(required=True, allow_none=True)
    country = fields.String(required=True, allow_none=True)
    public_key = fields.String(required=True, allow_none=True, validate=_check_base64)
    users = fields.List(fields.Nested(UserEntry), load_default=list)


class ParticipantEntry(_Entry):
    """An organization in a collaboration, with the API key of its node."""

    name = fields.String(required=True, validate=_not_empty)
    api_key = fields.String(required=True, validate=_check_api_key)


class CollaborationEntry(_Entry):
    """A collaboration with its members."""

    name = fields.String(required=True, validate=_not_empty)
    participants = fields.List(fields.Nested(ParticipantEntry), required=True, validate=_not_empty)
    tasks = fields.List(fields.String(), load_default=list)
    encrypted = fields.Boolean(load_default=True)


class FixtureSchema(Schema):
    """A whole import file."""

    organizations = fields.List(fields.Nested(OrganizationEntry), load_default=list)
    collaborations = fields.List(fields.Nested(CollaborationEntry), load_default=list)


Fixture = Mapping[str, Any]


def read_fixture(path: Path) -> Fixture:
    """The content of an import file, checked as far as the file alone can tell.

    Raises
    ------
    ConfigurationError
        When it cannot be read, or with each fault and the entry it is in.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        raise ConfigurationError(f"{path} is not valid YAML{line}") from error
    try:
        fixture: Fixture = FixtureSchema().load(content or {})
    except ValidationError as error:
        faults = "; ".join(_faults(error.normalized_messages(), content))
        raise ConfigurationError(f"{path}: {faults}") from error
    return fixture


def insert_fixture(session: Session, fixture: Fixture) -> Counter[str]:
    """Add everything in an import file to a database.

    Returns
    -------
    Counter
        How many there were of each kind.

    Raises
    ------
    ConfigurationError
        With the entry that does not fit what is in the database, or in the file before it.
        The caller is to roll back.
    """
    done: Counter[str] = Counter()
    rules = list(session.scalars(select(Rule)))
    for entry in fixture["organizations"]:
        with _named("organization", entry["name"]):
            done += _add_organization(session, entry, rules)
    for entry in fixture["collaborations"]:
        with _named("collaboration", entry["name"]):
            done += _add_collaboration(session, entry)
    return done


def drop_all(connection: Connection) -> None:
    """Drop all tables with what is in them."""
    Base.metadata.drop_all(connection)
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {_REVISION_TABLE}")


@contextmanager
def _named(kind: str, name: str) -> Iterator[None]:
    """Put the entry that is being added in front of what is wrong with it."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"{kind} {name!r}: {error}") from error


def _add_organization(
    session: Session, entry: Mapping[str, Any], rules: list[Rule]
) -> Counter[str]:
    _refuse_second(session, Organization, Organization.name == entry["name"])
    columns = {key: value for key, value in entry.items() if key != "users"}
    organization = Organization(**columns)
    role = Role(
        name=SUPER_ROLE,
        description="Everything; made by an import",
        rules=rules,
        organization=organization,
    )
    session.add_all([organization, role])
    session.flush()
    for user in entry["users"]:
        with _named("user", user["username"]):
            _add_user(session, user, organization, role)
    return Counter(organizations=1, users=len(entry["users"]))


def _add_user(
    session: Session, entry: Mapping[str, Any], organization: Organization, role: Role
) -> None:
    _refuse_second(session, User, User.username == entry["username"])
    if entry["email"]:
        _refuse_second(session, User, User.email == entry["email"], "e-mail address")
    session.add(User(**entry, organization=organization, roles=[role]))
    session.flush()


def _add_collaboration(session: Session, entry: Mapping[str, Any]) -> Counter[str]:
    _refuse_second(session, Collaboration, Collaboration.name == entry["name"])
    collaboration = Collaboration(name=entry["name"], encrypted=entry["encrypted"])
    session.add(collaboration)
    session.flush()
    for participant in entry["participants"]:
        with _named("participant", participant["name"]):
            _add_participant(session, participant, collaboration)
    if entry["tasks"] and collaboration.encrypted:
        raise ConfigurationError(
            "example tasks have an input that is not encrypted; leave them out, or add "
            "'encrypted: false'"
        )
    for image in entry["tasks"]:
        _add_task(session, image, collaboration)
    return Counter(collaborations=1, nodes=len(entry["participants"]), tasks=len(entry["tasks"]))


def _add_participant(
    session: Session, entry: Mapping[str, Any], collaboration: Collaboration
) -> None:
    named = session.scalars(select(Organization).where(Organization.name == entry["name"])).all()
    if len(named) > 1:
        # Organizations can call themselves what they like.
        raise ConfigurationError("there are several organizations of that name")
    if not named:
        raise ConfigurationError("there is no organization of that name")
    organization = named[0]
    if organization in collaboration.organizations:
        raise ConfigurationError("it takes part twice")
    digest = digest_api_key(entry["api_key"])
    _refuse_second(session, Node, Node.api_key_digest == digest, "API key")
    collaboration.organizations.append(organization)
    session.add(
        Node(
            name=f"{organization.name} - {collaboration.name} Node",
            api_key=entry["api_key"],
            organization=organization,
            collaboration=collaboration,
        )
    )
    session.flush()


def _add_task(session: Session, image: str, collaboration: Collaboration) -> None:
    content = DummyCryptor().encrypt_bytes_to_str(serialize(EXAMPLE_INPUT))
    session.add(
        Task(
            name=EXAMPLE_TASK,
            image=image,
            collaboration=collaboration,
            initiator=collaboration.organizations[0],
            run=Run(),
            results=[
                Result(organization=member, input=content) for member in collaboration.organizations
            ],
        )
    )
    session.flush()


def _refuse_second(
    session: Session, model: type[Any], same: ColumnElement[bool], what: str = "name"
) -> None:
    if session.scalar(select(model.id).where(same).limit(1)) is not None:
        kind = model.__name__.lower()
        raise ConfigurationError(f"another {kind} has that {what}")


def _faults(messages: Mapping[Any, Any], content: Any, place: str = "") -> Iterator[str]:
    """Each message with the way to it: `organizations[0] 'name' users[1] 'name' password`."""
    for key, value in messages.items():
        inner = _inside(content, key)
        if isinstance(key, int):
            here = f"{place}[{key}]{_label(inner)}"
        else:
            here = f"{place} {key}".strip()
        if isinstance(value, Mapping):
            yield from _faults(value, inner, here)
        else:
            yield from (f"{here}: {text.rstrip('.')}" for text in value)


def _inside(content: Any, key: Any) -> Any:
    if isinstance(content, Mapping):
        return content.get(key)
    if isinstance(content, list) and isinstance(key, int):
        return content[key]
    return None


def _label(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return ""
    name = entry.get("name") or entry.get("username")
    return f" {name!r}" if name else ""
