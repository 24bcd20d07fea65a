"""Transactions, and what the tables promise."""

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from vantage6.common.exceptions import ConfigurationError
from vantage6.server.database import Database, database_uri
from vantage6.server.model import (
    Authenticatable,
    Base,
    Collaboration,
    Node,
    Organization,
    Result,
    Run,
    Task,
    User,
)


@pytest.fixture
def database(empty_uri: str) -> Iterator[Database]:
    database = Database(empty_uri)
    database.create_tables()
    yield database
    database.dispose()


def test_a_relative_path_starts_in_the_data_folder(tmp_path: Path) -> None:
    database = Database("sqlite:///below/it.sqlite", tmp_path)
    database.create_tables()
    database.dispose()
    assert (tmp_path / "below" / "it.sqlite").exists()


def test_the_environment_goes_before_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"uri": "sqlite:///configured.sqlite"}
    assert database_uri(config) == "sqlite:///configured.sqlite"
    monkeypatch.setenv("VANTAGE6_DB_URI", "sqlite:///other.sqlite")
    assert database_uri(config) == "sqlite:///other.sqlite"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_postgresql_has_one_driver(scheme: str) -> None:
    database = Database(f"{scheme}://v6:secret@localhost/v6")
    assert database.engine.url.drivername == "postgresql+psycopg"


@pytest.mark.parametrize(
    "uri", ["sqlite://", "sqlite:///:memory:", "no uri", "nothing://host/name"]
)
def test_a_database_that_cannot_be_used_is_refused(uri: str) -> None:
    with pytest.raises(ConfigurationError):
        Database(uri)


def run_at_once(*work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_what_was_locked_is_still_true_when_it_is_written(database: Database) -> None:
    with database.transaction() as session:
        session.add(Organization(id=1, name="0"))

    def count_up(session: Session) -> None:
        organization = session.get_one(Organization, 1, with_for_update=True)
        organization.name = str(int(organization.name or 0) + 1)

    def count() -> None:
        for _ in range(20):
            database.run(count_up)

    run_at_once(*[count] * 4)
    with database.reading() as session:
        assert session.get_one(Organization, 1).name == "80"


def test_two_that_wait_for_each_other_are_both_done(database: Database) -> None:
    with database.transaction() as session:
        session.add_all([Organization(id=1, name=""), Organization(id=2, name="")])
    # Only the first time: then the one that was turned away is on its own.
    both_have_one = threading.Barrier(2)

    def change(first: int, second: int) -> Callable[[], None]:
        tries = itertools.count()

        def do(session: Session) -> None:
            lock(session, first)
            if next(tries) == 0 and database.engine.name == "postgresql":
                both_have_one.wait()
            lock(session, second)

        return lambda: database.run(do)

    def lock(session: Session, id_: int) -> None:
        organization = session.get_one(Organization, id_, with_for_update=True)
        organization.name = f"{organization.name}x"
        session.flush()

    run_at_once(change(1, 2), change(2, 1))
    with database.reading() as session:
        assert session.scalars(select(Organization.name)).all() == ["xx", "xx"]


def test_what_is_gone_when_it_is_to_be_changed_is_looked_for_again(database: Database) -> None:
    with database.transaction() as session:
        session.add(Organization(id=1, name="old"))

    def rename(session: Session) -> str:
        organization = session.get(Organization, 1)
        if organization is None:
            return "gone"
        if database.engine.name == "sqlite":
            # There is no other while we write.
            session.execute(text("DELETE FROM organization"))
            session.commit()
        else:
            with database.transaction() as other:
                other.execute(text("DELETE FROM organization"))
        organization.name = "new"
        return "renamed"

    assert database.run(rename) == "gone"


def test_an_error_undoes_the_transaction(database: Database) -> None:
    def fail_half_way() -> None:
        with database.transaction() as session:
            session.add(Organization(name="half"))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    with database.reading() as session:
        assert session.scalars(select(Organization)).all() == []


def test_foreign_keys_are_enforced(database: Database) -> None:
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.add(User(username="x", organization_id=999))


def test_every_constraint_has_a_name(database: Database) -> None:
    tables = inspect(database.engine)
    for table in tables.get_table_names():
        constraints = [
            *tables.get_foreign_keys(table),
            *tables.get_unique_constraints(table),
            *tables.get_check_constraints(table),
        ]
        assert all(constraint["name"] for constraint in constraints), table


def test_every_foreign_key_says_what_happens_when_its_target_goes() -> None:
    keys = {
        f"{table.name}.{key.parent.name}": key.ondelete
        for table in Base.metadata.sorted_tables
        for key in table.foreign_keys
    }
    # A run outlives its tasks, and a payload that somebody refers to cannot go at all.
    assert {name for name, ondelete in keys.items() if ondelete is None} == {
        "task.run_id",
        "result.input_blob_id",
        "result.result_blob_id",
        "upload.blob_id",
    }
    assert {name for name, ondelete in keys.items() if ondelete == "SET NULL"} == {
        "task.init_user_id"
    }


def test_the_id_of_what_was_deleted_is_not_given_out_again(database: Database) -> None:
    seen = set()
    for _ in range(3):
        with database.transaction() as session:
            organization = Organization()
            node = Node(organization=organization)
            session.add(node)
            session.flush()
            seen |= {("organization", organization.id), ("node", node.id)}
            session.delete(organization)
    assert len(seen) == 6


def test_nothing_is_left_of_a_deleted_organization(database: Database) -> None:
    with database.transaction() as session:
        organization = Organization()
        study = Collaboration(name="study", organizations=[organization])
        session.add_all([study, _with_everything(session, organization, study)])
        session.flush()
        session.delete(organization)
    with database.reading() as session:
        for model in (Authenticatable, Node, User, Task, Result):
            assert session.scalars(select(model.id)).all() == []
        assert session.execute(text('SELECT * FROM "Member"')).all() == []


def _with_everything(
    session: Session, organization: Organization, study: Collaboration
) -> Organization:
    user = User(username="user", organization=organization)
    session.add(Node(organization=organization, collaboration=study))
    session.add(
        Task(
            collaboration=study,
            run=Run(),
            initiator=organization,
            init_user=user,
            results=[Result(organization=organization)],
        )
    )
    return organization


def test_a_result_finds_the_node_that_runs_it(database: Database) -> None:
    with database.transaction() as session:
        first, second = Organization(), Organization()
        studies = [Collaboration(name=name, organizations=[first, second]) for name in "ab"]
        nodes = [
            Node(name=f"{study.name}{number}", organization=organization, collaboration=study)
            for study in studies
            for number, organization in enumerate((first, second))
        ]
        task = Task(
            collaboration=studies[1],
            run=Run(),
            initiator=first,
            results=[Result(organization=second), Result(organization=first)],
        )
        session.add_all([*nodes, task])
    with database.reading() as session:
        results = session.scalars(select(Result).order_by(Result.id)).all()
        assert [result.node.name for result in results if result.node] == ["b1", "b0"]


def test_secrets_can_be_set_but_not_read() -> None:
    user, node = User(password="Passw0rd!"), Node(api_key="key")
    assert user.password_hash is not None
    assert user.password_hash.startswith("$2b$")
    assert node.api_key_digest != "key"
    for who, name in ((user, "password"), (node, "api_key")):
        with pytest.raises(AttributeError):
            getattr(who, name)
