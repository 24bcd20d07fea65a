import pytest
from marshmallow import ValidationError

from vantage6.node.configuration import NodeSchema

MINIMAL = {
    "api_key": "key",
    "server_url": "http://localhost",
    "port": 5000,
    "api_path": "/api",
    "databases": {"default": "/data.csv"},
    "encryption": {"enabled": False},
}


def load(**values):
    return NodeSchema().load({**MINIMAL, **values})


def test_defaults():
    config = load()
    assert config["limits"]["memory"] == 4 * 2**30
    assert config["limits"]["pids"] == 512
    assert config["max_parallel_runs"] >= 4
    assert config["allowed_images"] == []
    assert not config["allow_all_images"]
    assert not config["allow_pickle"]
    assert config["algorithm_logs"] == "on_failure"
    assert config["images"]["relay"].startswith("vantage6/infrastructure-relay:")


@pytest.mark.parametrize("key", MINIMAL)
def test_required_keys(key):
    with pytest.raises(ValidationError, match=key):
        NodeSchema().load({name: value for name, value in MINIMAL.items() if name != key})


@pytest.mark.parametrize(
    ("given", "expected"), [("5000", 5000), (5000, 5000), (None, None), ("", None)]
)
def test_ports(given, expected):
    assert load(port=given)["port"] == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("512m", 512 * 2**20),
        ("4g", 4 * 2**30),
        ("1.5G", 3 * 2**29),
        (2**30, 2**30),
        ("64 MiB", 2**26),
    ],
)
def test_sizes(given, expected):
    assert load(limits={"memory": given})["limits"]["memory"] == expected


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"limits": {"memory": "much"}}, "512m"),
        ({"limits": {"memory": "1k"}}, "memory"),
        ({"limits": {"cpus": 0}}, "cpus"),
        ({"allowed_images": "average"}, "allowed_images"),
        ({"allowed_images": ["("]}, "regular expression"),
        ({"encryption": {"enabled": "true"}}, "enabled"),
        ({"server_url": "localhost"}, "server_url"),
        ({"port": 70000}, "port"),
        ({"databases": ["/data.csv"]}, "databases"),
        ({"max_parallel_runs": 0}, "max_parallel_runs"),
        ({"algorithm_logs": "sometimes"}, "algorithm_logs"),
        ({"disclosure": {"minimum_rows": 0}}, "minimum_rows"),
        ({"disclosure": {"minimum_rows": 3.5}}, "minimum_rows"),
        ({"disclosure": {"minimum_rows": True}}, "minimum_rows"),
        ({"disclosure": {"dominance": 1.5}}, "dominance"),
        ({"disclosure": {"dominance": ".nan"}}, "dominance"),
        ({"disclosure": {"event_times": "sometimes"}}, "event_times"),
        ({"disclosure": {"minimum_row": 10}}, "There is no such threshold"),
        ({"disclosure": {"minimum_row": 10}}, "there are minimum_rows, minimum_cell"),
        ({"disclosure": [10]}, "Thresholds are written as a block"),
        (
            {"policies": {"images": [{"image": "a", "disclosure": {"minimum_cell": 0}}]}},
            "minimum_cell",
        ),
        ({"algorithm_env": {"Disclosure_Minimum_Rows": "1"}}, "block `disclosure`"),
        ({"docker_registries": [{"registry": "r"}]}, "password"),
    ],
)
def test_values_at_fault(values, match):
    with pytest.raises(ValidationError, match=match):
        load(**values)


def test_numbers_are_taken_as_the_text_they_are_written_as():
    assert load(algorithm_env={"LEVEL": 5})["algorithm_env"] == {"LEVEL": "5"}


def test_keys_of_other_versions_are_kept():
    assert load(vpn_subnet="10.76.0.0/16", debug={"x": 1})["vpn_subnet"] == "10.76.0.0/16"
