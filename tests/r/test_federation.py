"""Python and R in one encrypted collaboration, each asking the other."""

import math
import sqlite3

import pandas
import pytest

from development.average import pooled_mean
from development.console import SetupError
from development.demonstrations.average import COLUMN
from development.hospitals import rows_of
from vantage6.common.envelope import is_authenticated_envelope, is_classic_envelope
from vantage6.common.exceptions import TaskFailed

pytestmark = pytest.mark.docker

ASK_PYTHON = f"""
client$set.task.image(arguments$image, task.name = "from R")
client$setUseMasterContainer(TRUE)
answer <- client$call("master", column_name = "{COLUMN}")
"""


@pytest.fixture(scope="module")
def client(federation):
    return federation.client()


@pytest.fixture(scope="module")
def ask_r(client, r_image):
    """A question of a Python client to the R algorithm."""

    def ask_r(method, *, central=False, organizations=None, **kwargs):
        task = client.task.create(
            client.collaboration.list(scope="organization")[0]["id"],
            organizations or [client.whoami.organization_id],
            "from Python",
            r_image,
            "",
            {"method": method, "master": central, "kwargs": kwargs},
        )
        return client.task.wait(task["id"])

    return ask_r


@pytest.fixture(scope="module")
def payloads(federation):
    """Inputs and results of the tasks of a name, and of their subtasks, as the server has them."""

    def payloads(name):
        database = federation.server_config.parent / "server.sqlite"
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        rows = connection.execute(
            "select input, result from result where task_id in (select child.id from task as child"
            " join task as parent on parent.id in (child.id, child.parent_id)"
            " where parent.name = ?) and status = 'completed'",
            [name],
        ).fetchall()
        connection.close()
        return [text for row in rows for text in row]

    return payloads


def test_r_asks_a_python_algorithm(run_r, image, hospitals):
    answer = run_r(ASK_PYTHON, image=image)
    assert answer["average"] == pytest.approx(pooled_mean(hospitals), rel=1e-13)


def test_python_asks_an_r_algorithm(ask_r, hospitals):
    (answer,) = ask_r("average", central=True, column_name=COLUMN)
    assert answer["average"] == pytest.approx(pooled_mean(hospitals), rel=1e-13)
    parts = pandas.DataFrame(answer["parts"])
    assert sorted(parts["count"]) == sorted(rows_of(hospitals).values())


def test_r_asks_an_r_algorithm_for_its_partials(run_r, r_image, hospitals):
    answer = run_r(
        f"""
        client$set.task.image(arguments$image)
        answer <- client$call("average_partial", column_name = "{COLUMN}")
        """,
        image=r_image,
    )
    total = math.fsum(part["sum"] for part in answer) / sum(part["count"] for part in answer)
    assert len(answer) == 3
    assert total == pytest.approx(pooled_mean(hospitals), rel=1e-13)


def test_all_that_r_sends_and_gets_is_signed(run_r, image, payloads):
    run_r(ASK_PYTHON.replace("from R", "sealed by R"), image=image)
    texts = payloads("sealed by R")
    assert len(texts) == 8
    assert all(is_authenticated_envelope(text) for text in texts)


def test_a_site_that_reads_classic_envelopes_only_is_asked_in_one(
    run_r, image, payloads, hospitals, tmp_path
):
    """What a node of the classic line would get; the statement is what makes the difference."""
    program = """
    for (at in seq_along(client$collaboration$organizations)) {
        client$collaboration$organizations[[at]]$capabilities <- NULL
    }
    """
    name = ASK_PYTHON.replace("from R", "sealed as of old")
    answer = run_r(program + name, image=image, pins=str(tmp_path / "pins.json"))
    assert answer["average"] == pytest.approx(pooled_mean(hospitals), rel=1e-13)
    assert sum(map(is_classic_envelope, payloads("sealed as of old"))) == 2


def test_a_statement_that_is_gone_ends_what_would_be_sent(run_r, image):
    program = """
    client$set.task.image(arguments$image)
    client$setOrganizations(client$collaboration$organizations[[2]]$id)
    task <- client$submit("average_partial", column_name = "mean_radius")
    client$collaboration$organizations[[2]]$capabilities <- NULL
    answer <- class(tryCatch(client$submit("average_partial"), error = identity))[[1]]
    """
    assert run_r(program, image=image) == "vtg_downgraded"


IN_ITS_OWN_FORMAT = f"""
client$set.task.image(arguments$image)
client$data_format <- "RDS"
client$allow.rds <- TRUE
client$setOrganizations(client$collaboration$organizations[[arguments$at]]$id)
answer <- client$call("average_partial", column_name = "{COLUMN}")
"""


def test_r_speaks_its_own_format_where_both_sides_allow_it(run_r, r_image, hospitals):
    (answer,) = run_r(IN_ITS_OWN_FORMAT, image=r_image, at=3)
    assert answer["count"] == rows_of(hospitals)[hospitals[2].name]


def test_its_own_format_is_not_let_in_unless_the_owner_says_so(run_r, r_image):
    with pytest.raises(SetupError, match="in R's own format, which this node does not accept"):
        run_r(IN_ITS_OWN_FORMAT, image=r_image, at=1)


def test_a_refusal_of_the_r_algorithm_reaches_python_in_one_line(ask_r):
    with pytest.raises(TaskFailed, match="no column 'height' in this database"):
        ask_r("average_partial", column_name="height")


def test_a_refusal_of_the_python_algorithm_reaches_r(run_r, image):
    program = """
    client$set.task.image(arguments$image)
    answer <- client$call("average_partial", column_name = "height")
    """
    with pytest.raises(SetupError, match="no column 'height' in this database"):
        run_r(program, image=image)


def test_a_function_that_is_not_exported_is_not_called(ask_r):
    with pytest.raises(TaskFailed, match=r"has no function system; its federated functions are"):
        ask_r("system", central=True, command="id")


def test_what_the_client_of_r_shows_holds_no_secret(run_r, federation):
    program = """
    text <- capture.output(print(client), str(as.list(client)))
    token <- client$.__enclos_env__$private$token
    answer <- list(text = paste(text, collapse = "\n"), token = token)
    """
    shown = run_r(program)
    assert "researcher" in shown["text"]
    assert federation.password not in shown["text"]
    assert shown["token"] not in shown["text"]
