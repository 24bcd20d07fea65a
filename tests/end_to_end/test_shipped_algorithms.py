"""Every algorithm that we ship, in its image, over three hospitals: as `make demo` shows it."""

import json
from contextlib import ExitStack

import pytest

from development.algorithms import FOLDERS
from development.average import question
from development.demo import compare
from development.demonstrations import demonstration
from development.federation import Federation, Hospital, running
from development.hospitals import NAMES, with_parts_of
from development.images import ensure_relay_image, ensure_shipped_algorithm

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """The hospitals of each algorithm's demonstration."""
    folder = tmp_path_factory.mktemp("parts")
    return {name: with_parts_of(demonstration(name).data(), folder / name) for name in FOLDERS}


@pytest.fixture(scope="module")
def images():
    ensure_relay_image()
    return {name: ensure_shipped_algorithm(name) for name in FOLDERS}


@pytest.fixture(scope="module")
def client_of(parts, images, tmp_path_factory):
    """A client of the federation whose owners allow what an algorithm's demonstration needs."""
    clients = {}
    with ExitStack() as at_end:

        def client_of(algorithm):
            config = demonstration(algorithm).node_config
            key = json.dumps(config, sort_keys=True)
            if key not in clients:
                folder = tmp_path_factory.mktemp("shipped") / "federation"
                allowed = [f"^{image}$" for image in images.values()]
                members = Federation(folder, hospitals(parts, config), allowed)
                clients[key] = at_end.enter_context(running(members)).client()
            return clients[key]

        yield client_of


def hospitals(parts, config):
    """Hospitals that have a database for each algorithm, under its name."""
    return [
        Hospital(
            name,
            parts["average"][number].database,
            {**config, "databases": {label: str(p[number].database) for label, p in parts.items()}},
        )
        for number, name in enumerate(NAMES)
    ]


@pytest.mark.parametrize("algorithm", FOLDERS)
def test_it_answers_as_if_the_data_were_in_one_place(algorithm, client_of, parts, images):
    shown = demonstration(algorithm)
    ask = question(client_of(algorithm), images[algorithm], shown.input, database=algorithm)
    report = compare(shown, ask(), parts[algorithm])
    assert report["figures"]
    assert report["difference"] <= shown.tolerance
