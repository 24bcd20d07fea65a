"""R beside Python: the package `vtg`, an R algorithm, and one encrypted collaboration of both."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from development import average, r
from development.console import SetupError
from development.engine import ensure_engine
from development.federation import API_PATH, Federation, running
from development.images import ensure_r_algorithm_image, ensure_relay_image

FOLDER = Path(__file__).parent
#: What every program of a researcher begins with.
LOG_IN = """
arguments <- jsonlite::fromJSON(commandArgs(trailingOnly = TRUE)[[1]])
client <- vtg::Client$new(arguments$url, api_path = arguments$path, pins.file = arguments$pins,
                          log_level = "warn")
client$authenticate("researcher", arguments$password)
client$setupEncryption(arguments$key)
client$setCollaborationId(client$getCollaborations()$id[[1]])
"""
ANSWER = "\ncat(jsonlite::toJSON(answer, auto_unbox = TRUE, digits = NA, null = 'null'))"


@pytest.fixture(scope="session")
def library():
    """Where R finds our package."""
    if r.obstacle():
        pytest.skip(r.obstacle())
    return r.library()


@pytest.fixture(scope="session")
def r_image(library):
    """An R algorithm, with an engine that can run it beside our relay."""
    ensure_engine()
    ensure_relay_image()
    try:
        return ensure_r_algorithm_image(FOLDER / "algorithm", "vantage6/test-average-r:1")
    except SetupError as error:
        # no registry has an R with all we need; only Debian's packages do
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def hospitals(tmp_path_factory):
    """Three; the last one lets in what runs code when it is read."""
    *others, last = average.hospitals(tmp_path_factory.mktemp("hospitals"))
    return [*others, replace(last, node_config={"allow_pickle": True})]


@pytest.fixture(scope="session")
def federation(image, r_image, hospitals, tmp_path_factory):
    """Three hospitals in an encrypted collaboration, which allow both algorithms."""
    folder = tmp_path_factory.mktemp("r") / "federation"
    with running(Federation(folder, hospitals, [f"^{image}$", f"^{r_image}$"])) as members:
        yield members


@pytest.fixture(scope="session")
def run_r(federation, library, tmp_path_factory):
    """Run the program of a researcher, logged in, and return what its `answer` is."""
    pins = tmp_path_factory.mktemp("pins-of-r") / "pins.json"

    def run_r(program, **more):
        arguments = {
            "url": federation.url,
            "path": API_PATH,
            "pins": str(pins),
            "password": federation.password,
            "key": str(federation.private_key(federation.hospitals[0])),
            **more,
        }
        text = r.run(LOG_IN + program + ANSWER, json.dumps(arguments), packages=[library])
        return json.loads(text)

    return run_r
