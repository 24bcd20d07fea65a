"""Revisions of the database: in step with the models, and safe to run at every start."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tables
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from served import run, write_config
from sqlalchemy import inspect, text
from sqlalchemy.engine import URL, make_url

from vantage6.common.exceptions import ConfigurationError
from vantage6.server import migration
from vantage6.server.model import Base


@pytest.fixture
def url(empty_uri: str) -> URL:
    return make_url(empty_uri)


@pytest.fixture
def made_from_models(url: URL, request: pytest.FixtureRequest) -> dict[str, list[Any]]:
    """What the tables are when they come from the models."""
    filled = request.getfixturevalue(f"filled_{url.get_backend_name()}")
    uri = filled if isinstance(filled, str) else f"sqlite:///{filled}"
    with migration.exclusive(make_url(uri)) as connection:
        return tables.definition(connection)


def test_the_revisions_make_what_the_models_describe(url: URL) -> None:
    with migration.exclusive(url) as connection:
        migration.upgrade(connection)
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


@pytest.mark.parametrize("revision", migration.revisions())
def test_a_database_of_any_revision_is_upgraded_with_its_data(
    url: URL, revision: str, made_from_models: dict[str, list[Any]]
) -> None:
    """Its tables are then the same to the letter as those that are made from the models."""
    with migration.exclusive(url) as connection:
        migration.upgrade(connection, to=revision)
        before = tables.fill(connection)
    with migration.exclusive(url) as connection:
        migration.upgrade(connection)
    with migration.exclusive(url) as connection:
        after = tables.content(connection)
        assert tables.definition(connection) == made_from_models
        assert tables.dangling(connection) == []
    assert {name: len(after[name]) for name in before} == {
        name: len(rows) for name, rows in before.items()
    }
    for name, rows in before.items():
        for old, new in zip(rows, after[name], strict=True):
            kept = old.keys() & new.keys()
            assert {column: new[column] for column in kept} == {
                column: old[column] for column in kept
            }


def test_two_that_migrate_at_once_do_it_once(url: URL, tmp_path: Path) -> None:
    first, newest = migration.revisions()[0], migration.revisions()[1:]
    with migration.exclusive(url) as connection:
        migration.upgrade(connection, to=first)
        before = tables.fill(connection)
    config = write_config(tmp_path, uri=url.render_as_string(hide_password=False))
    with ThreadPoolExecutor(4) as threads:
        done = list(
            threads.map(run, *[[each] * 4 for each in ("migrate", "--config", config, "--json")])
        )
    assert [each.stderr for each in done] == [""] * 4
    applied = [json.loads(each.stdout)["applied"] for each in done]
    assert sorted(applied, key=len) == [[], [], [], newest]
    with migration.exclusive(url) as connection:
        after = tables.content(connection)
    assert [len(after[name]) for name in before] == [len(rows) for rows in before.values()]


def test_a_second_time_there_is_nothing_to_do(url: URL) -> None:
    with migration.exclusive(url) as connection:
        revisions = migration.pending(connection)
        assert revisions[0] == "0001"
        assert migration.upgrade(connection) == revisions
        assert migration.pending(connection) == []
        assert migration.upgrade(connection) == []


def test_tasks_of_before_are_counted(url: URL) -> None:
    with migration.exclusive(url) as connection:
        migration.upgrade(connection, to="0001")
        connection.execute(text("INSERT INTO collaboration VALUES (1, 'a', true), (2, 'b', true)"))
        connection.execute(text("INSERT INTO organization (id) VALUES (1)"))
        connection.execute(text("INSERT INTO run VALUES (1)"))
        for collaboration in (1, 1, 2):
            connection.execute(
                text(f"INSERT INTO task (collaboration_id, run_id, initiator_id)"
                     f" VALUES ({collaboration}, 1, 1)")
            )  # fmt: skip
        migration.upgrade(connection)
        counted = connection.execute(text("SELECT * FROM task_count ORDER BY 1")).all()
        assert counted == [
            (1, 2),
            (2, 1),
        ]


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


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    path = tmp_path / "server.sqlite"
    path.write_text("These are not the tables you are looking for. " * 100)
    url = make_url(f"sqlite:///{path}")
    with pytest.raises(ConfigurationError, match="cannot be opened: file is not a database"):
        _look(url)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be made: File exists"):
        _look(make_url(f"sqlite:///{tmp_path}/file/server.sqlite"))


def _look(url: URL) -> None:
    with migration.exclusive(url) as connection:
        migration.pending(connection)
