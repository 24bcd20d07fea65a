"""Packages on the released classic tools 3.5.2 run on our node as they are.

Neither of the two that these stand for is published where packages can be had. They import, call
and assume what their models do: pickled subtasks and results, one look a second, positional and
named inputs, a copy of the database beside it, their own task's id from that of the child, and
addresses of services, of which there are none without a private network.
"""

from types import SimpleNamespace

import pandas
import pytest

from development import average
from development.federation import Federation, Hospital, running
from development.images import ensure_relay_image
from tests.third_party.images import ensure_third_party_image

pytestmark = pytest.mark.docker

COLUMNS = ["mean radius", "mean texture"]


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """Hospitals that take pickles, each with its rows as CSV and as parquet."""
    folder = tmp_path_factory.mktemp("third-party")
    members = []
    for hospital in average.hospitals(folder)[:2]:
        parquet = hospital.database.with_suffix(".parquet")
        pandas.read_csv(hospital.database).to_parquet(parquet)
        databases = {"default": str(hospital.database), "columns": str(parquet)}
        config = {"allow_pickle": True, "databases": databases}
        members.append(Hospital(hospital.name, hospital.database, config))
    return members


@pytest.fixture(scope="module")
def federation(members, tmp_path_factory):
    """Two nodes, and a way to ask a package something and wait for its answer."""
    ensure_relay_image()
    images = {name: ensure_third_party_image(name) for name in ("v6_average_py", "verticox")}
    folder = tmp_path_factory.mktemp("classic-tools") / "federation"
    allowed = [f"^{image}$" for image in images.values()]
    with running(Federation(folder, members, allowed)) as parts:
        client = parts.client()

        (collaboration,) = client.collaboration.list(scope="organization")

        def ask(package, input_, database="default"):
            task = client.task.create(
                collaboration["id"],
                [client.whoami.organization_id],
                "test",
                images[package],
                "",
                input_,
                data_format="pickle",
                database=database,
            )
            (answer,) = client.task.wait(task["id"], show_progress=False, allow_pickle=True)
            return answer

        members = client.request(f"collaboration/{collaboration['id']}/organization")
        ids = sorted(member["id"] for member in members)
        yield SimpleNamespace(ask=ask, images=images, organizations=ids)


def test_v6_average_py(federation, members):
    answer = federation.ask(
        "v6_average_py",
        {"master": True, "method": "master", "kwargs": {"column_name": COLUMNS[0]}},
    )
    assert answer["parts"] == 2
    assert answer["average"] == pytest.approx(average.pooled_mean(members), rel=1e-12)


def test_verticox(federation, members):
    frames = [pandas.read_csv(member.database) for member in members]
    answer = federation.ask(
        "verticox",
        {
            "master": True,
            "method": "fit",
            "args": [COLUMNS],
            "kwargs": {"datanode_ids": federation.organizations},
        },
        database="columns",
    )
    assert answer["own"] == federation.images["verticox"]
    assert answer["children_with_us"]
    assert answer["addresses"] == []
    found = sorted(answer["parts"], key=lambda part: part[1])
    expected = sorted(frames, key=len)
    for (sums, rows, beside), frame in zip(found, expected, strict=True):
        assert rows == len(frame)
        assert sums.to_dict() == pytest.approx(frame[COLUMNS].sum().to_dict())
        # Nothing of other runs, other databases or other hospitals is beside it.
        assert len([name for name in beside if name.endswith(".parquet")]) == 2
        assert not [name for name in beside if name.endswith(".csv")]
