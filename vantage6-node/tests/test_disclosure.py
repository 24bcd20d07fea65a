"""What a data owner chose to let algorithms tell is shown to them."""

from types import SimpleNamespace

import pytest

from vantage6.node.configuration import NodeSchema
from vantage6.node.doctor import house

MINIMAL = {
    "api_key": "key",
    "server_url": "http://localhost",
    "port": 5000,
    "api_path": "/api",
    "databases": {},
    "encryption": {"enabled": False},
}


@pytest.mark.parametrize(
    ("chosen", "for_image", "said"),
    [
        ({}, {}, ["As by default"]),
        ({"minimum_rows": 3}, {}, ["As by default"]),
        (
            {"minimum_rows": 1, "event_times": True},
            {},
            ["Other than by default: minimum_rows 1, event_times True"],
        ),
        (
            {},
            {"minimum_cell": 5},
            ["As by default", "Other than by default for coxph: minimum_cell 5"],
        ),
    ],
    ids=["nothing", "the same", "laxer", "stricter for one image"],
)
def test_the_doctor_tells_what_is_not_as_by_default(chosen, for_image, said):
    policies = {"images": [{"image": "coxph", "disclosure": for_image}]}
    config = NodeSchema().load({**MINIMAL, "disclosure": chosen, "policies": policies})
    findings = list(house.disclosure(SimpleNamespace(config=config)))
    assert [finding.text for finding in findings] == said
