"""What a server puts into its database, and its secret, before it serves."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from vantage6.common.exceptions import ConfigurationError
from vantage6.server import first_run
from vantage6.server.database import Database
from vantage6.server.model import Organization, Role, Rule, User
from vantage6.server.permission.catalogue import RULES
from vantage6.server.permission.role import DEFAULT_ROLES
from vantage6.server.service.password import matches


@pytest.fixture
def database(empty_uri: str) -> Iterator[Database]:
    database = Database(empty_uri)
    yield database
    database.dispose()


def prepare(database: Database, server_type: str | None = "test") -> first_run.Prepared:
    return first_run.prepare(database.engine.url, server_type)


class TestPrepare:
    def test_ids_are_the_documented_ones(self, database: Database) -> None:
        prepare(database)
        with database.reading() as session:
            rules = session.scalars(select(Rule).order_by(Rule.id)).all()
            roles = session.execute(select(Role.id, Role.name).order_by(Role.id)).all()
        keys = [rule.key for rule in rules]
        assert [rule.id for rule in rules] == list(range(1, 48))
        assert keys == [record.key for record in RULES]
        assert [tuple(row) for row in roles] == [
            (1, "container"),
            (2, "node"),
            (3, "Root"),
            (4, "Viewer"),
            (5, "Researcher"),
            (6, "Organization Admin"),
            (7, "Collaboration Admin"),
        ]

    def test_a_second_time_changes_nothing(self, database: Database) -> None:
        assert prepare(database).revisions[0] == "0001"
        assert prepare(database).revisions == []
        with database.reading() as session:
            assert _count(session, Rule) == len(RULES)
            assert _count(session, Role) == len(DEFAULT_ROLES)
            assert _count(session, User) == 1

    def test_what_an_operator_changed_stays(self, database: Database) -> None:
        prepare(database)
        with database.transaction() as session:
            role = session.scalars(select(Role).where(Role.name == "Viewer")).one()
            role.rules = []
        prepare(database)
        with database.reading() as session:
            assert session.scalars(select(Role).where(Role.name == "Viewer")).one().rules == []

    def test_all_or_nothing(self, database: Database) -> None:
        def fail(session: Session) -> None:
            raise ConfigurationError("out of luck")

        with pytest.raises(ConfigurationError, match="out of luck"):
            first_run.prepare(database.engine.url, "test", after=fail)
        assert prepare(database).revisions[0] == "0001"

    def test_many_at_once(self, database: Database) -> None:
        done: list[first_run.Prepared] = []
        threads = [
            threading.Thread(target=lambda: done.append(prepare(database, "prod")))
            for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(bool(one.revisions) for one in done) == [False] * 4 + [True]
        assert len([one for one in done if one.root_password]) == 1

    def test_a_database_out_of_reach_is_said_without_its_password(self) -> None:
        from sqlalchemy.engine import make_url

        url = make_url("postgresql+psycopg://user:hush@127.0.0.1:1/none")
        with pytest.raises(ConfigurationError, match="cannot be opened: ") as refused:
            first_run.prepare(url, "prod")
        assert "hush" not in str(refused.value)


class TestRoot:
    @pytest.mark.parametrize("server_type", ["dev", "test"])
    def test_root_root_is_for_trying_out(self, database: Database, server_type: str) -> None:
        assert prepare(database, server_type).root_password is None
        assert matches("root", _root(database).password_hash)

    @pytest.mark.parametrize("server_type", ["acc", "prod", None])
    def test_otherwise_the_password_is_random(
        self, database: Database, server_type: str | None
    ) -> None:
        password = prepare(database, server_type).root_password
        assert password is not None
        assert len(password) >= 20
        assert matches(password, _root(database).password_hash)

    def test_it_is_told_once(self, database: Database) -> None:
        prepare(database, "prod")
        assert prepare(database, "prod").root_password is None

    def test_root_may_do_everything(self, database: Database) -> None:
        prepare(database)
        with database.reading() as session:
            root = session.scalars(select(User)).one()
            assert [role.name for role in root.roles] == ["Root"]
            assert root.organization is not None
            assert root.organization.name == "root"

    def test_a_deleted_root_comes_back_in_the_same_organization(self, database: Database) -> None:
        prepare(database)
        with database.transaction() as session:
            session.delete(session.scalars(select(User)).one())
        prepare(database)
        with database.reading() as session:
            assert _count(session, Organization) == 1

    def test_nobody_keeps_the_server_from_starting_by_taking_its_address(
        self, database: Database
    ) -> None:
        prepare(database)
        with database.transaction() as session:
            root = session.scalars(select(User)).one()
            root.username, root.email, root.roles = "ada", "root@domain.ext", []
        prepare(database)
        assert _root(database).email is None

    def test_a_renamed_root_is_said(self, database: Database) -> None:
        prepare(database)
        with database.transaction() as session:
            session.scalars(select(User)).one().username = "admin"
        with pytest.raises(ConfigurationError, match=r"root@domain\.ext"):
            prepare(database)


class TestSecret:
    def test_it_is_made_once_and_only_for_its_owner(self, tmp_path: Path) -> None:
        folder = tmp_path / "data"
        secret = first_run.load_secret({}, folder)
        assert len(secret) >= 48
        assert first_run.load_secret({}, folder) == secret
        assert (folder / first_run.SECRET_FILE).stat().st_mode & 0o777 == 0o600
        assert first_run.load_secret({}, tmp_path / "other") != secret

    def test_the_configured_one_goes_first(self, tmp_path: Path) -> None:
        secret = "x" * first_run.MINIMUM_SECRET_LENGTH
        assert first_run.load_secret({"jwt_secret_key": secret}, tmp_path) == secret
        assert not (tmp_path / first_run.SECRET_FILE).exists()

    def test_a_short_one_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="too short"):
            first_run.load_secret({"jwt_secret_key": "root"}, tmp_path)
        (tmp_path / first_run.SECRET_FILE).write_text("hush\n")
        with pytest.raises(ConfigurationError, match="too short"):
            first_run.load_secret({}, tmp_path)

    def test_one_that_others_could_read_is_closed_to_them(self, tmp_path: Path) -> None:
        first_run.load_secret({}, tmp_path)
        path = tmp_path / first_run.SECRET_FILE
        path.chmod(0o644)
        first_run.load_secret({}, tmp_path)
        assert path.stat().st_mode & 0o777 == 0o600

    def test_a_folder_that_cannot_be_made_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ConfigurationError, match="cannot be read or written"):
            first_run.load_secret({}, tmp_path / "file")

    def test_servers_that_start_at_once_agree(self, tmp_path: Path) -> None:
        secrets: list[str] = []
        threads = [
            threading.Thread(target=lambda: secrets.append(first_run.load_secret({}, tmp_path)))
            for _ in range(10)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(secrets) == 10
        assert len(set(secrets)) == 1


def _count(session: Session, model: type[Rule | Role | User | Organization]) -> int:
    return session.scalar(select(func.count()).select_from(model)) or 0


def _root(database: Database) -> User:
    with database.reading() as session:
        return session.scalars(select(User).where(User.username == "root")).one()
