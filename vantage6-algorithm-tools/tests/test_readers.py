"""Databases of all kinds: which reader is chosen, what it gives, and that it only reads."""

import json
import sqlite3
from pathlib import Path

import pandas
import pytest

from vantage6.tools import docker_wrapper as classic
from vantage6.tools import wrapper as wrappers
from vantage6.tools.exceptions import (
    AlgorithmError,
    DatabaseError,
    DisclosureRefused,
    InputError,
)
from vantage6.tools.readers import excel, folder, sql
from vantage6.tools.readers.choice import kind_of, told_kind
from vantage6.tools.wrapper import AutoWrapper, CSVWrapper, DockerWrapper

TABLE = pandas.DataFrame({"age": [40, 50, 60], "sex": ["f", "m", "f"]})


@pytest.mark.parametrize(
    ("uri", "told", "kind"),
    [
        ("/mnt/data/patients.csv", "", "csv"),
        ("/mnt/data/patients", "", "csv"),
        ("/mnt/data/patients.txt", "", "csv"),
        ("/mnt/data/p.parquet", "", "parquet"),
        ("/mnt/data/p.PQ", "", "parquet"),
        ("/mnt/data/p.xlsx", "", "excel"),
        ("/mnt/data/p.sqlite", "", "sql"),
        ("postgresql://u:p@db/omop", "", "sql"),
        ("https://house/patients.csv", "", "csv"),
        ("/mnt/data/p.parquet", "csv", "csv"),
        ("/mnt/data/patients", "Parquet", "parquet"),
        ("https://house/sparql", "sparql", "sparql"),
        ("postgresql://u:p@db/omop", "omop", "sql"),
        ("/mnt/data/p.xlsx", "something else", "csv"),
    ],
)
def test_the_owner_says_the_kind_or_else_the_address_does(uri, told, kind):
    assert kind_of(uri, told) == kind


def test_a_folder_is_seen_and_a_web_address_is_what_the_wrapper_takes_it_for(tmp_path):
    assert kind_of(str(tmp_path)) == "folder"
    assert kind_of("https://house/sparql", web="sparql") == "sparql"


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, ""),
        ({"DEFAULT_DATABASE_TYPE": "csv"}, "csv"),
        ({"USER_REQUESTED_DATABASE_LABEL": "my-omop", "MY-OMOP_DATABASE_TYPE": "sql"}, "sql"),
        ({"USER_REQUESTED_DATABASE_LABEL": "b", "A_DATABASE_TYPE": "sql"}, ""),
    ],
    ids=range(4),
)
def test_the_node_tells_the_kind_of_the_database_of_the_task(environment, told):
    assert told_kind(environment) == told


def test_the_classic_wrapper_reads_what_the_node_says_that_it_is(run, algorithm):
    TABLE.to_parquet(run.database)
    run.set("DEFAULT_DATABASE_TYPE", "parquet")
    run.ask(method="mean")
    classic.docker_wrapper(algorithm(RPC_mean=lambda data: data["age"].mean()))
    assert run.output.read_bytes() == b"json.50.0"


def test_an_explicit_wrapper_does_not_ask_the_node(run):
    run.set("DEFAULT_DATABASE_TYPE", "parquet")
    assert len(CSVWrapper.load_data(str(run.database), {})) == 3


WRAPPERS = ("auto", "csv", "docker", "excel", "folder", "parquet", "sparql", "sql")


@pytest.mark.parametrize("name", WRAPPERS)
def test_every_wrapper_takes_what_the_later_releases_have(run, algorithm, name):
    run.ask(method="none")
    wrap = getattr(wrappers, f"{name}_wrapper")
    wrap(
        algorithm(RPC_none=lambda data: data is None),
        load_data=False,
        use_new_client=True,
        log_traceback=True,
    )
    assert run.output.read_bytes() == b"json.true"


@pytest.fixture
def workbook(tmp_path):
    path = tmp_path / "patients.xlsx"
    with pandas.ExcelWriter(path, engine="openpyxl") as writer:
        TABLE.to_excel(writer, sheet_name="first", index=False)
        TABLE.head(1).to_excel(writer, sheet_name="second", index=False)
    return str(path)


@pytest.mark.parametrize(
    ("input_", "rows"),
    [({}, 3), ({"sheet_name": None}, 3), ({"sheet_name": "second"}, 1), ({"sheet_name": 1}, 1)],
    ids=["first", "null", "by name", "by number"],
)
def test_a_sheet_of_a_workbook_is_a_table(workbook, input_, rows):
    pandas.testing.assert_frame_equal(excel.read(workbook, input_), TABLE.head(rows))


@pytest.mark.parametrize("wish", ["third", 2, -1, True, [0], {"a": 1}, 1.0])
def test_a_sheet_that_is_not_there_is_refused_without_naming_the_others(workbook, wish):
    with pytest.raises(InputError, match="no sheet") as refused:
        excel.read(workbook, {"sheet_name": wish})
    assert "first" not in str(refused.value)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_folder_of_parts_is_one_table_in_the_order_of_their_names(tmp_path, kind):
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / ".hidden.csv").write_text("a\n1\n")
    write = {"csv": lambda part, path: part.to_csv(path, index=False),
             "parquet": pandas.DataFrame.to_parquet}[kind]  # fmt: skip
    for name, part in (("b", TABLE.iloc[2:]), ("a", TABLE.iloc[:2])):
        write(part, tmp_path / f"{name}.{kind}")
    pandas.testing.assert_frame_equal(folder.read(str(tmp_path)), TABLE)
    pandas.testing.assert_frame_equal(AutoWrapper.load_data(str(tmp_path), {}), TABLE)


@pytest.mark.parametrize(
    "names",
    [[], ["a.csv", "b.parquet"], ["scan.dcm", "index.csv"], ["a.csv/"]],
    ids=["nothing", "two kinds", "scans", "folder in it"],
)
def test_any_other_folder_is_handed_over_as_its_path(tmp_path, names):
    for name in names:
        path = tmp_path / name
        path.mkdir() if name.endswith("/") else path.touch()
    assert folder.read(str(tmp_path)) == Path(tmp_path)


def test_parts_with_other_columns_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("a\n1\n")
    (tmp_path / "b.csv").write_text("b\n1\n")
    with pytest.raises(DatabaseError, match="same columns"):
        folder.read(str(tmp_path))
    with pytest.raises(DatabaseError, match="not there"):
        folder.read(str(tmp_path / "nothing"))


@pytest.fixture(autouse=True)
def own_queries(monkeypatch):
    """The data owner lets researchers write queries."""
    monkeypatch.setenv("DISCLOSURE_OWN_QUERIES", "true")


@pytest.fixture
def sqlite_file(tmp_path):
    path = tmp_path / "patients.sqlite"
    with sqlite3.connect(path) as connection:
        TABLE.to_sql("patients", connection, index=False)
    connection.close()
    return str(path)


@pytest.mark.parametrize("form", ["{}", "sqlite:///{}", "file://{}"])
@pytest.mark.parametrize(
    "input_",
    [
        {"query": "SELECT * FROM patients"},
        {"query": "WITH x AS (SELECT * FROM patients) SELECT * FROM x;\n"},
        {"table": "patients"},
    ],
    ids=["query", "with", "table"],
)
def test_a_file_of_sqlite_answers(sqlite_file, form, input_):
    pandas.testing.assert_frame_equal(sql.read(form.format(sqlite_file), input_), TABLE)


ATTACKS_ON_SQLITE = [
    "DELETE FROM patients",
    "SELECT 1; DELETE FROM patients",
    "ATTACH DATABASE '/etc/passwd' AS other",
    "PRAGMA query_only = OFF",
    "PRAGMA writable_schema = ON",
    "CREATE TABLE x (y)",
    "WITH x AS (SELECT 1) UPDATE patients SET age = 0",
]


@pytest.mark.parametrize("query", ATTACKS_ON_SQLITE)
def test_a_file_of_sqlite_is_not_written(sqlite_file, query):
    before = Path(sqlite_file).read_bytes()
    with pytest.raises(DatabaseError, match="refuses the query"):
        sql.read(sqlite_file, {"query": query})
    assert Path(sqlite_file).read_bytes() == before


@pytest.mark.parametrize("input_", [{}, {"query": ""}, {"query": 3}, {"table": ["x"]}])
def test_an_input_that_asks_a_server_nothing_is_refused(sqlite_file, input_):
    with pytest.raises(InputError, match="neither a query nor a table"):
        sql.read(sqlite_file, input_)


@pytest.fixture(scope="module")
def server(postgres):
    """A database with a table; gives its address, as an owner would write it."""
    import psycopg

    uri = postgres.create().replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(uri) as connection:
        connection.execute("CREATE TABLE patients (age int, sex text)")
        connection.execute("INSERT INTO patients VALUES (40, 'f'), (50, 'm'), (60, 'f')")
        connection.execute('CREATE SCHEMA "Odd Name"')
        connection.execute('CREATE TABLE "Odd Name"."t""able" AS SELECT 1.50::numeric AS amount')
    yield uri
    postgres.drop(uri)


def rows_of(server):
    import psycopg

    with psycopg.connect(server) as connection:
        return connection.execute("SELECT count(*), sum(age) FROM patients").fetchone()


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
@pytest.mark.parametrize(
    "input_",
    [
        {"query": "SELECT * FROM patients ORDER BY age"},
        {"query": "SELECT * FROM patients WHERE sex LIKE '%' AND ':x' <> '%s' ORDER BY age; "},
        {"table": "patients"},
        {"table": "public.patients"},
    ],
    ids=["query", "signs", "table", "schema"],
)
def test_a_postgresql_server_answers(server, scheme, input_):
    uri = server.replace("postgresql", scheme, 1)
    pandas.testing.assert_frame_equal(sql.read(uri, input_), TABLE)


def test_exact_decimals_become_numbers_and_odd_names_are_quoted(server):
    table = sql.read(server, {"table": 'Odd Name.t"able'})
    assert table["amount"].tolist() == [1.5]
    assert table["amount"].dtype == "float64"


ATTACKS = [
    "DELETE FROM patients",
    "SELECT 1; DELETE FROM patients",
    "COMMIT; DELETE FROM patients",
    "SELECT 1; ROLLBACK; SET default_transaction_read_only = off; DELETE FROM patients",
    "SET TRANSACTION READ WRITE",
    "WITH gone AS (DELETE FROM patients RETURNING *) SELECT * FROM gone",
    "SELECT * INTO copied FROM patients",
    "COPY patients TO PROGRAM 'true'",
    "COPY patients FROM PROGRAM 'echo 1'",
    "DO $$ BEGIN DELETE FROM patients; END $$",
    "SELECT * FROM patients FOR UPDATE",
    "VACUUM",
]


@pytest.mark.parametrize("query", ATTACKS)
def test_a_postgresql_server_is_only_read(server, query):
    with pytest.raises(DatabaseError, match="refuses the query"):
        sql.read(server, {"query": query})
    assert rows_of(server) == (3, 150)


def test_what_a_function_does_besides_reading_is_undone(server):
    import psycopg

    sql.read(server, {"query": "SELECT lo_create(0)"})
    with psycopg.connect(server) as connection:
        assert connection.execute("SELECT count(*) FROM pg_largeobject_metadata").fetchone() == (0,)


@pytest.mark.parametrize("table", ['patients"; DELETE FROM patients; --', "pg_class; SELECT 1"])
def test_the_name_of_a_table_is_nothing_but_a_name(server, table):
    with pytest.raises(DatabaseError, match="UndefinedTable"):
        sql.read(server, {"table": table})
    assert rows_of(server) == (3, 150)


PASSWORD = "Sesame-42"


def wrong(server, **parts):
    from sqlalchemy import make_url

    return make_url(server).set(**parts).render_as_string(hide_password=False)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda uri: wrong(uri, password=PASSWORD),
        lambda uri: wrong(uri, password=PASSWORD, port=1),
        lambda uri: wrong(uri, password=PASSWORD, database="nothing"),
        lambda uri: wrong(uri, password=PASSWORD, host="nowhere.invalid"),
        lambda uri: f"postgresql://me:{PASSWORD}@host:port/x",
        lambda uri: f"postgresql://me:{PASSWORD}@[::1/x",
        lambda uri: f"oracle://me:{PASSWORD}@host/x",
    ],
    ids=["password", "port", "database", "host", "no port", "no address", "other server"],
)
def test_a_password_is_in_no_error(server, run, algorithm, capsys, spoil):
    run.set("DATABASE_URI", spoil(server))
    run.ask(method="n", query="SELECT 1")
    with pytest.raises(SystemExit) as ended:
        wrappers.sql_wrapper(algorithm(RPC_n=len), log_traceback=True)
    printed = capsys.readouterr()
    assert ended.value.code == DatabaseError.exit_code
    assert PASSWORD not in printed.out + printed.err
    assert "error > " in printed.out


def test_a_value_of_a_row_is_in_no_error(server):
    with pytest.raises(AlgorithmError) as refused:
        sql.read(server, {"query": "SELECT CAST(sex AS int) FROM patients"})
    assert str(refused.value) == ("The SQL database refuses the query (InvalidTextRepresentation)")


@pytest.mark.parametrize(
    ("kind", "library", "extra"),
    [("sql", "sqlalchemy", "sql"), ("excel", "openpyxl", "excel"),
     ("sparql", "SPARQLWrapper", "sparql")],
)  # fmt: skip
def test_an_image_without_the_library_says_what_it_needs(
    kind, library, extra, workbook, monkeypatch
):
    from vantage6.tools import readers

    monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(DatabaseError, match=rf"vantage6-algorithm-tools\[{extra}\]"):
        readers.read(kind, workbook, {"query": "SELECT 1"})


def test_the_answer_of_a_run_on_a_server(server, run, algorithm):
    run.set("DATABASE_URI", server)
    run.set("DEFAULT_DATABASE_TYPE", "postgresql")
    run.ask(method="ages", query="SELECT age FROM patients ORDER BY age")
    classic.docker_wrapper(algorithm(RPC_ages=lambda data: data["age"]))
    assert json.loads(run.output.read_bytes()[5:]) == {"0": 40, "1": 50, "2": 60}
    assert DockerWrapper.load_data(server, {"table": "patients"}).shape == (3, 2)


def test_researchers_choose_no_rows_unless_the_data_owner_lets_them(sqlite_file, monkeypatch):
    """Three copies of one patient would be enough rows for every rule."""
    monkeypatch.delenv("DISCLOSURE_OWN_QUERIES")
    one = "SELECT age FROM patients WHERE rowid = 1"
    with pytest.raises(DisclosureRefused, match="name a table or view"):
        sql.read(sqlite_file, {"query": f"{one} UNION ALL {one} UNION ALL {one}"})
    with pytest.raises(DisclosureRefused):
        sql.read(sqlite_file, {"query": one, "table": "patients"})
    assert sql.read(sqlite_file, {"table": "patients"}).shape == TABLE.shape
