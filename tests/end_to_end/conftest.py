"""Real federations: our own commands as processes, containers in a real engine."""

from pathlib import Path

import pytest

from development import average
from development.federation import Federation, Hospital, running

GHOST_IMAGE = "v6-there-is-no-such-image:1"


@pytest.fixture(scope="session")
def hospitals(tmp_path_factory):
    return average.hospitals(tmp_path_factory.mktemp("hospitals"))


@pytest.fixture(scope="session")
def federation(image, hospitals, tmp_path_factory):
    """Three hospitals in an encrypted collaboration."""
    folder = tmp_path_factory.mktemp("encrypted") / "federation"
    allowed = [f"^{image}$", f"^{GHOST_IMAGE}$"]
    with running(Federation(folder, hospitals, allowed)) as members:
        yield members


@pytest.fixture(scope="session")
def client(federation):
    return federation.client()


@pytest.fixture(scope="session")
def plain(image, hospitals, tmp_path_factory):
    """One hospital without encryption, whose database file is not there."""
    folder = tmp_path_factory.mktemp("plain") / "federation"
    nowhere = Hospital("nowhere", Path("/nowhere/patients.csv"))
    members = Federation(folder, [nowhere], [f"^{image}$"], encrypted=False)
    with running(members):
        yield members


@pytest.fixture(scope="session")
def create(client, image):
    """Create a task at the researcher's own organization."""

    def create(input_, image=image, client=client, organizations=None):
        return client.task.create(
            collaboration=client.collaboration.list(scope="organization")[0]["id"],
            organizations=organizations or [client.whoami.organization_id],
            name="test",
            image=image,
            description="",
            input=input_,
        )

    return create
