"""The variables by which algorithms find their databases, as pure functions."""

from collections.abc import Sequence

from vantage6.node.databases import Database, file_names, variable_names
from vantage6.node.destinations import inside
from vantage6.node.layout import DATA_FOLDER

_SUFFIX = "_DATABASE_URI"
_TYPE_SUFFIX = "_DATABASE_TYPE"


def database_uris(databases: Sequence[Database]) -> dict[str, str]:
    """How the container addresses its databases, by label: a path, or an address."""
    names = file_names(databases)
    return {
        database.label: str(DATA_FOLDER / names[database.label])
        if database.path
        else inside(database.uri)
        for database in databases
    }


def database_variables(databases: Sequence[Database]) -> dict[str, str]:
    """The variables for the databases of a run, of which the first is that of its task.

    `DATABASE_URI` is that one. Each label has a variable as documented, with the label in
    capitals and otherwise as it is; and one that shells can read, where that differs.
    """
    uris = database_uris(databases)
    plain: dict[str, str] = {}
    documented: dict[str, str] = {}
    for database in databases:
        as_it_is, readable = variable_names(database.label)
        for variables, name in ((plain, readable), (documented, as_it_is)):
            variables[f"{name}{_SUFFIX}"] = uris[database.label]
            if database.type:
                variables[f"{name}{_TYPE_SUFFIX}"] = database.type
    own = databases[0]
    return {
        **plain,
        **documented,
        "DATABASE_URI": uris[own.label],
        "USER_REQUESTED_DATABASE_LABEL": own.label,
        "DB_LABELS": ",".join(database.label for database in databases),
    }


def predecessor_variables(databases: Sequence[Database], run_id: int) -> dict[str, str]:
    """What images of the systems before this one read; harmless to all others."""
    uris = database_uris(databases)
    endpoints = [uris[database.label] for database in databases if database.is_sparql]
    variables = {"RUN_ID": str(run_id)}
    if endpoints:
        variables |= {
            "SPARQL_ENDPOINT": endpoints[0],
            "endpointUrl": endpoints[0],
            "endpointType": "SPARQL",
        }
    return variables
