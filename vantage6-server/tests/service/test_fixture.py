"""Import files: what they make, and what is said of one that does not fit."""

import base64
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import select
from sqlalchemy.orm import Session

from vantage6.common.exceptions import ConfigurationError
from vantage6.server import first_run
from vantage6.server.database import Database
from vantage6.server.model import Collaboration, Node, Organization, Rule, Task, User
from vantage6.server.model.node import digest_api_key
from vantage6.server.service.fixture import drop_all, insert_fixture, read_fixture
from vantage6.server.service.password import matches

KEYS = [f"123e4567-e89b-12d3-a456-42661417400{number}" for number in range(3)]


def organization(name: str, **differing: Any) -> dict[str, Any]:
    return {
        "name": name,
        "domain": f"{name}.example",
        "address1": "Street 1",
        "address2": None,
        "zipcode": "",
        "country": "Utopia",
        "public_key": base64.b64encode(b"key").decode(),
        **differing,
    }


CONTENT: dict[str, Any] = {
    "organizations": [
        organization(
            "Alpha",
            users=[
                {"username": "ada", "password": "weak", "firstname": "Ada", "email": ""},
                {"username": "bob", "password": "weaker", "email": "bob@alpha.example"},
            ],
        ),
        organization("Beta", public_key=""),
    ],
    "collaborations": [
        {
            "name": "open",
            "participants": [
                {"name": "Alpha", "api_key": KEYS[0]},
                {"name": "Beta", "api_key": KEYS[1]},
            ],
            "tasks": ["hello-world", "hello-world"],
            "encrypted": False,
        },
        {"name": "closed", "participants": [{"name": "Alpha", "api_key": KEYS[2]}]},
    ],
}


@pytest.fixture
def content() -> dict[str, Any]:
    return copy.deepcopy(CONTENT)


@pytest.fixture
def database(empty_uri: str) -> Iterator[Database]:
    database = Database(empty_uri)
    first_run.prepare(database.engine.url, "test")
    yield database
    database.dispose()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "import.yaml"


def load(database: Database, path: Path, content: Any) -> Any:
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    with database.transaction() as session:
        return insert_fixture(session, read_fixture(path))


@pytest.fixture
def session(database: Database, path: Path, content: dict[str, Any]) -> Iterator[Session]:
    """A session after the import."""
    load(database, path, content)
    with database.reading() as session:
        yield session


class TestInsert:
    def test_organizations(self, session: Session) -> None:
        alpha = session.scalars(select(Organization).where(Organization.name == "Alpha")).one()
        assert (alpha.domain, alpha.address2, alpha.zipcode) == ("Alpha.example", None, None)
        assert alpha.public_key == base64.b64encode(b"key").decode()

    def test_users_are_super_users_of_their_organization(self, session: Session) -> None:
        ada = session.scalars(select(User).where(User.username == "ada")).one()
        assert ada.organization.name == "Alpha"
        assert matches("weak", ada.password_hash)
        assert ada.email is None
        assert [role.name for role in ada.roles] == ["super"]
        assert ada.roles[0].organization is ada.organization
        assert len(ada.roles[0].rules) == len(session.scalars(select(Rule)).all())

    def test_nodes(self, session: Session) -> None:
        node = session.scalars(
            select(Node).where(Node.api_key_digest == digest_api_key(KEYS[1]))
        ).one()
        assert node.name == "Beta - open Node"
        assert node.organization.name == "Beta"
        assert node.collaboration is not None
        assert node.collaboration.name == "open"

    def test_collaborations_are_encrypted_unless_told_otherwise(self, session: Session) -> None:
        rows = session.execute(select(Collaboration.name, Collaboration.encrypted))
        encrypted = {row.name: row.encrypted for row in rows}
        assert encrypted == {"open": False, "closed": True}

    def test_tasks_are_for_all_members_with_a_run_each(self, session: Session) -> None:
        tasks = session.scalars(select(Task).order_by(Task.id)).all()
        assert [task.name for task in tasks] == ["Example task", "Example task"]
        assert len({task.run_id for task in tasks}) == 2
        for task in tasks:
            assert task.initiator.name == "Alpha"
            assert {result.organization.name for result in task.results} == {"Alpha", "Beta"}

    def test_it_says_how_many(
        self, database: Database, path: Path, content: dict[str, Any]
    ) -> None:
        assert load(database, path, content) == {
            "organizations": 2,
            "users": 2,
            "collaborations": 2,
            "nodes": 3,
            "tasks": 2,
        }

    def test_a_collaboration_of_organizations_that_are_there_already(
        self, database: Database, path: Path, content: dict[str, Any]
    ) -> None:
        collaborations = content.pop("collaborations")
        load(database, path, content)
        load(database, path, {"collaborations": collaborations})
        with database.reading() as session:
            assert len(session.scalars(select(Node)).all()) == 3

    def test_an_empty_file_is_fine(self, database: Database, path: Path) -> None:
        assert load(database, path, "") == {}


class TestFaults:
    @pytest.mark.parametrize(
        ("place", "value", "message"),
        [
            (["organizations", 0, "name"], "", "organizations[0] name: Must not be empty"),
            (
                ["organizations", 1, "public_key"],
                "???",
                "organizations[1] 'Beta' public_key: Not base64",
            ),
            (
                ["organizations", 0, "users", 1, "password"],
                None,
                "organizations[0] 'Alpha' users[1] 'bob' password: Field may not be null",
            ),
            (
                ["organizations", 0, "users", 0, "pasword"],
                "x",
                "organizations[0] 'Alpha' users[0] 'ada' pasword: Unknown field",
            ),
            (
                ["collaborations", 0, "participants", 1, "api_key"],
                KEYS[1].upper(),
                "collaborations[0] 'open' participants[1] 'Beta' api_key: "
                "Not a UUID in lower-case letters with hyphens",
            ),
            (
                ["collaborations", 1, "participants"],
                [],
                "collaborations[1] 'closed' participants: Must not be empty",
            ),
            (["collaborations"], "none", "collaborations: Not a valid list"),
        ],
    )
    def test_the_entry_at_fault_is_named(
        self,
        database: Database,
        path: Path,
        content: Any,
        place: list[Any],
        value: Any,
        message: str,
    ) -> None:
        inner = content
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = value
        with pytest.raises(ConfigurationError) as refused:
            load(database, path, content)
        assert str(refused.value) == f"{path}: {message}"

    @pytest.mark.parametrize(
        "key", ["domain", "address1", "address2", "zipcode", "country", "public_key", "name"]
    )
    def test_the_keys_of_an_organization_must_be_there(
        self, database: Database, path: Path, content: dict[str, Any], key: str
    ) -> None:
        del content["organizations"][1][key]
        with pytest.raises(ConfigurationError, match=f"{key}: Missing data for required field"):
            load(database, path, content)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                lambda content: content["organizations"].append(organization("Alpha")),
                "organization 'Alpha': another organization has that name",
            ),
            (
                lambda content: content["organizations"][1].update(
                    users=[{"username": "bob", "password": "x"}]
                ),
                "organization 'Beta': user 'bob': another user has that name",
            ),
            (
                lambda content: content["organizations"][1].update(
                    users=[{"username": "eve", "password": "x", "email": "bob@alpha.example"}]
                ),
                "organization 'Beta': user 'eve': another user has that e-mail address",
            ),
            (
                lambda content: content["collaborations"][1].update(name="open"),
                "collaboration 'open': another collaboration has that name",
            ),
            (
                lambda content: content["collaborations"][0]["participants"][0].update(name="C"),
                "collaboration 'open': participant 'C': there is no organization of that name",
            ),
            (
                lambda content: content["collaborations"][0]["participants"][0].update(name="Beta"),
                "collaboration 'open': participant 'Beta': it takes part twice",
            ),
            (
                lambda content: content["collaborations"][1]["participants"][0].update(
                    api_key=KEYS[0]
                ),
                "collaboration 'closed': participant 'Alpha': another node has that API key",
            ),
            (
                lambda content: content["collaborations"][1].update(tasks=["hello-world"]),
                "collaboration 'closed': example tasks have an input that is not encrypted; leave "
                "them out, or add 'encrypted: false'",
            ),
        ],
    )
    def test_what_does_not_fit_is_said_and_nothing_is_kept(
        self, database: Database, path: Path, content: Any, change: Any, message: str
    ) -> None:
        change(content)
        with pytest.raises(ConfigurationError) as refused:
            load(database, path, content)
        assert str(refused.value) == message
        with database.reading() as session:
            assert session.scalars(select(Organization.name)).all() == ["root"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("organizations: [", "is not valid YAML (line "),
            ("- one\n- two", ": _schema: Invalid input type"),
        ],
    )
    def test_what_is_no_import_file_is_said(
        self, database: Database, path: Path, text: str, message: str
    ) -> None:
        with pytest.raises(ConfigurationError) as refused:
            load(database, path, text)
        assert message in str(refused.value)

    def test_a_file_that_is_not_there_is_said(self, path: Path) -> None:
        with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
            read_fixture(path)


def test_dropping_all_and_starting_anew(
    database: Database, path: Path, content: dict[str, Any]
) -> None:
    load(database, path, content)
    database.dispose()
    prepared = first_run.prepare(database.engine.url, "test", before=drop_all)
    assert prepared.revisions[0] == "0001"
    with database.reading() as session:
        assert session.scalars(select(Organization.name)).all() == ["root"]
