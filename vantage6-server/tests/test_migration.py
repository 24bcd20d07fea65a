"""Revisions of the database: in step with the models, and safe to run at every start."""

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.engine import URL, make_url

from vantage6.common.exceptions import ConfigurationError
from vantage6.server import migration
from vantage6.server.database import Database
from vantage6.server.model import Base


@pytest.fixture
def url(tmp_path: Path) -> URL:
    return make_url(f"sqlite:///{tmp_path}/server.sqlite")


def test_the_revisions_make_what_the_models_describe(url: URL) -> None:
    with migration.exclusive(url) as connection:
        migration.upgrade(connection)
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_tables_are_the_same_to_the_letter(url: URL, tmp_path: Path) -> None:
    """Also what the comparison does not see, such as ids that are never given out twice."""
    with migration.exclusive(url) as connection:
        migration.upgrade(connection)
    database = Database(f"sqlite:///{tmp_path}/models.sqlite")
    database.create_tables()
    made = {table: sql for table, sql in _tables(url).items() if table != "alembic_version"}
    assert made == _tables(database.engine.url)
    database.dispose()


def test_a_second_time_there_is_nothing_to_do(url: URL) -> None:
    with migration.exclusive(url) as connection:
        revisions = migration.pending(connection)
        assert revisions[0] == "0001"
        assert migration.upgrade(connection) == revisions
        assert migration.pending(connection) == []
        assert migration.upgrade(connection) == []


def test_tasks_of_before_are_counted(url: URL) -> None:
    with migration.exclusive(url) as connection:
        command.upgrade(migration._config(connection), "0001")
        connection.execute(text("INSERT INTO collaboration VALUES (1, 'a', 1), (2, 'b', 1)"))
        connection.execute(text("INSERT INTO organization (id) VALUES (1)"))
        connection.execute(text("INSERT INTO run VALUES (1)"))
        for collaboration in (1, 1, 2):
            connection.execute(
                text(f"INSERT INTO task (collaboration_id, run_id, initiator_id)"
                     f" VALUES ({collaboration}, 1, 1)")
            )  # fmt: skip
        migration.upgrade(connection)
        assert connection.execute(text("SELECT * FROM task_count")).all() == [(1, 2), (2, 1)]


def test_an_error_leaves_nothing_behind(url: URL) -> None:
    def fail_half_way() -> None:
        with migration.exclusive(url) as connection:
            migration.upgrade(connection)
            raise LookupError

    with pytest.raises(LookupError):
        fail_half_way()
    with migration.exclusive(url) as connection:
        assert inspect(connection).get_table_names() == []


def test_a_database_of_another_version_is_left_alone(url: URL) -> None:
    with migration.exclusive(url) as connection:
        connection.execute(text("CREATE TABLE authenticatable (id INTEGER)"))
    with (
        pytest.raises(ConfigurationError, match="not made by this version"),
        migration.exclusive(url) as connection,
    ):
        migration.upgrade(connection)


def test_a_database_of_a_later_version_is_left_alone(url: URL) -> None:
    with migration.exclusive(url) as connection:
        migration.upgrade(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with (
        pytest.raises(ConfigurationError, match="revision 9999, of a later version"),
        migration.exclusive(url) as connection,
    ):
        migration.upgrade(connection)


def test_a_file_that_is_no_database_is_said(url: URL) -> None:
    assert url.database
    Path(url.database).write_text("These are not the tables you are looking for. " * 100)
    with pytest.raises(ConfigurationError, match="cannot be opened: file is not a database"):
        _look(url)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be made: File exists"):
        _look(make_url(f"sqlite:///{tmp_path}/file/server.sqlite"))


def _look(url: URL) -> None:
    with migration.exclusive(url) as connection:
        migration.pending(connection)


def _tables(url: URL) -> dict[str, list[str]]:
    """What makes each table and index, whatever order its constraints are in."""
    with migration.exclusive(url) as connection:
        rows = connection.execute(
            text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
        )
        return {row.name: sorted(_parts(row.sql)) for row in rows}


def _parts(sql: str) -> list[str]:
    return " ".join(sql.split()).removesuffix(" )").split(", CONSTRAINT ")
