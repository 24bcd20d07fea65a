"""How algorithms find their databases."""

from pathlib import Path

import pytest

from vantage6.node.databases import Database
from vantage6.node.runner.variables import (
    database_uris,
    database_variables,
    predecessor_variables,
)


def file(label, path, type_=""):
    return Database(label, path, Path(path), type_)


def address(label, uri, type_=""):
    return Database(label, uri, None, type_)


CSV = file("default", "/house/patients.csv")


@pytest.mark.parametrize(
    ("uri", "inside"),
    [
        ("postgresql://user:p@db.house:5432/omop", "postgresql://user:p@db.house:5432/omop"),
        ("https://sparql.house/query?a=b", "https://sparql.house/query?a=b"),
        ("postgresql://u:p@10.0.0.5/omop", "postgresql://u:p@host-10-0-0-5/omop"),
        ("http://[fd00::7]:8890/sparql", "http://host-fd00--7:8890/sparql"),
        ("http://localhost:8890/sparql", "http://host-localhost:8890/sparql"),
        ("mongodb://a,10.0.0.5:1/x", "mongodb://a,host-10-0-0-5:1/x"),
    ],
)
def test_the_address_of_a_server_keeps_its_name_and_addresses_get_one(uri, inside):
    variables = database_variables([address("omop", uri)])
    assert variables["DATABASE_URI"] == variables["OMOP_DATABASE_URI"] == inside


def test_several_databases_of_one_run():
    databases = [CSV, address("omop", "postgresql://db/omop", "sql"), file("img", "/house/scans")]
    variables = database_variables(databases)
    assert variables == {
        "DATABASE_URI": "/mnt/data/patients.csv",
        "DEFAULT_DATABASE_URI": "/mnt/data/patients.csv",
        "OMOP_DATABASE_URI": "postgresql://db/omop",
        "OMOP_DATABASE_TYPE": "sql",
        "IMG_DATABASE_URI": "/mnt/data/scans",
        "USER_REQUESTED_DATABASE_LABEL": "default",
        "DB_LABELS": "default,omop,img",
    }


def test_two_files_of_one_name_do_not_collide():
    databases = [CSV, file("old ones", "/old/patients.csv"), file("x", "/y/task-000000001")]
    assert database_uris(databases) == {
        "default": "/mnt/data/patients.csv",
        "old ones": "/mnt/data/old_ones-patients.csv",
        "x": "/mnt/data/x-task-000000001",
    }


@pytest.mark.parametrize(
    ("label", "names"),
    [
        ("my-db.2", {"MY-DB.2_DATABASE_URI", "MY_DB_2_DATABASE_URI"}),
        ("2020", {"2020_DATABASE_URI", "_2020_DATABASE_URI"}),
        ("Omop", {"OMOP_DATABASE_URI"}),
    ],
)
def test_a_label_that_is_no_name_of_a_variable(label, names):
    variables = database_variables([file(label, "/a.csv")])
    assert {name for name in variables if name.endswith("_DATABASE_URI")} == names


@pytest.mark.parametrize(
    ("databases", "endpoint"),
    [
        ([CSV], None),
        ([address("default", "http://rdf.house/sparql")], "http://rdf.house/sparql"),
        ([CSV, address("rdf", "https://rdf.house/sparql", "SPARQL")], "https://rdf.house/sparql"),
        ([address("default", "https://fhir.house", "fhir")], None),
        ([address("default", "postgresql://db/omop")], None),
    ],
)
def test_what_images_of_the_predecessors_read(databases, endpoint):
    variables = predecessor_variables(databases, 7)
    assert variables["RUN_ID"] == "7"
    assert variables.get("SPARQL_ENDPOINT") == variables.get("endpointUrl") == endpoint
