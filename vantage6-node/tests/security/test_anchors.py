"""One test per published hole that concerns the policy of a node, named after its entry.

A: advisories, B: weaknesses of the source. Each test is the shortest that the hole would fail;
what there is to a subject stands beside the code that it is about.
"""
# ruff: noqa: N802

import json
import os
import pickle
import re

import pytest

from vantage6.common.disclosure import Thresholds
from vantage6.common.exceptions import ConfigurationError
from vantage6.common.task_status import TaskStatus
from vantage6.common.text import bytes_to_base64s
from vantage6.node.assignment import Assignment
from vantage6.node.configuration import NodeSchema
from vantage6.node.databases import Database
from vantage6.node.outbound.plan import plan
from vantage6.node.policy import Origin, Policy, Request, decide, read_input
from vantage6.node.policy.configured import check_openness, fingerprint
from vantage6.node.policy.configured import policy as configured
from vantage6.node.state import Refused, Start
from vantage6.node.timeline import Timeline


@pytest.fixture
def config():
    def load(**values):
        return NodeSchema().load(
            {
                "api_key": "key",
                "server_url": "http://localhost",
                "port": 5000,
                "api_path": "/api",
                "databases": {"default": "/data.csv"},
                "encryption": {"enabled": False},
                **values,
            }
        )

    return load


class _Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def _refusal(work, assignment):
    event = work.perform(Start(), assignment, Timeline())
    assert isinstance(event, Refused)
    assert event.report.status is TaskStatus.NOT_ALLOWED
    return event.report.log


@pytest.mark.parametrize("prefix", [b"", b"pickle.", b"PICKLE."])
def test_cve_2023_23930_A4_a_pickle_is_refused_and_never_read(
    make_work, server, assignment, tmp_path, prefix
):
    path = str(tmp_path / "exploded")
    bomb = bytes_to_base64s(prefix + pickle.dumps(_Bomb(path)))
    log = _refusal(make_work(), server.add(assignment(input=bomb)))
    assert "pickle" in log
    allowing = Policy((re.compile(".*"),), pickle=True, methods=(re.compile("mean"),))
    request = Request("average", Origin(), read_input(prefix + pickle.dumps(_Bomb(path))), ())
    assert decide(allowing, request).refused.subject == "method"
    assert not os.path.exists(path)


@pytest.mark.parametrize(
    ("allowed", "origin"),
    [
        ({"allowed_organizations": ["13"]}, Origin(organization_id=13)),
        ({"allowed_organizations": [13]}, Origin(organization_name="13")),
        ({"allowed_organizations": [13]}, Origin(12, "13")),
        ({"allowed_users": ["13"]}, Origin(user_id=13)),
        ({"allowed_users": [13]}, Origin(user_name="13")),
        ({"allowed_users": [13]}, Origin(13, user_id=12, user_name="13")),
    ],
)
def test_cve_2023_28635_A5_a_name_is_never_taken_for_an_id(config, allowed, origin):
    policies = {**allowed, "trust_server_identity": True}
    house = configured(config(allowed_images=["average"], policies=policies))
    request = Request("average", origin, read_input(b"{}"), ())
    decision = decide(house, request)
    assert decision.refused.subject in ("organization", "user")


def test_cve_2023_23930_A4_a_pickle_with_a_name_in_front_that_classic_wrappers_do_not_read(
    tmp_path,
):
    """They end a name at a letter beyond ASCII, and take what is there for a pickle."""
    # Forty-eight bytes that are read and thrown away.
    disguised = (
        b"C0" + "é.".encode() + b"x" * 45 + b"0" + pickle.dumps(_Bomb(str(tmp_path / "ran")))
    )
    pickle.loads(disguised)
    assert (tmp_path / "ran").exists()
    house = Policy(images=(re.compile("average"),))
    decision = decide(house, Request("average", Origin(), read_input(disguised), ()))
    assert decision.refused.subject == "input"


def test_cve_2023_28635_A5_names_are_the_servers_and_count_only_if_it_is_trusted(
    make_work, server, runner, assignment
):
    runner.open(lambda notice: None)
    images, named = (re.compile("average"),), {"organizations": ("north",), "users": ("ada",)}
    trusting = Policy(images, trust_server=True, **named)
    run = server.add(assignment(user=5, user_name="ada"))
    assert not isinstance(make_work(policy=trusting).perform(Start(), run, Timeline()), Refused)
    other = server.add(assignment(user=5, user_name="eve"))
    assert "this user" in _refusal(make_work(policy=trusting), other)
    wary = Policy(images, **named)
    assert "nothing proves" in _refusal(make_work(policy=wary), server.add(assignment()))


@pytest.mark.parametrize("entry", [True, 1.5, "", ["alice"]])
def test_cve_2023_28635_A5_an_entry_is_a_name_or_a_number(config, entry):
    with pytest.raises(Exception, match="name, or an id"):
        config(policies={"allowed_users": [entry]})


def test_cve_2023_47631_A8_a_subtask_is_judged_like_every_task(make_work, server):
    """A forged task with a parent, and an image that nobody here allowed."""
    wire = {
        "id": 5,
        "input": "",
        "task": {
            "id": 6,
            "run_id": 1,
            "image": "evil.example/average",
            "database": "default",
            "initiator": 7,
            "parent": {"id": 1, "link": "/api/task/1", "methods": []},
            "parent_id": 1,
        },
    }
    forged = server.add(Assignment.from_wire(wire))
    assert "evil.example/average" in _refusal(make_work(), forged)


@pytest.mark.parametrize(
    "name",
    [
        "LD_PRELOAD", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "PYTHONSTARTUP", "BASH_ENV",
        "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "NODE_OPTIONS", "R_PROFILE_USER",
        "A B", "A=B", "1A", "", "A\n", "É", "A-B", "$(id)",
    ],
)  # fmt: skip
def test_cve_2024_21649_A9_variables_cannot_change_what_runs(config, name):
    with pytest.raises(Exception, match=r"variable|programs"):
        config(algorithm_env={name: "x"})


def test_cve_2024_21649_A9_other_variables_are_taken(config):
    names = {"STATIC_FOLDER": "/x", "PGDATABASE": "omop", "endpointUrl": "http://x", "_A1": "b"}
    assert config(algorithm_env=names)["algorithm_env"] == names


@pytest.mark.parametrize("label", ["a=b", "a\nb", "", " ", "a\0"])
def test_cve_2024_21649_A9_nor_can_labels_of_databases(config, label):
    with pytest.raises(Exception, match="label"):
        config(databases={label: "/data.csv"})


def test_cve_2024_21649_A9_no_text_of_a_task_is_in_a_variable(
    make_work, server, runner, assignment
):
    evil = "x\nLD_PRELOAD=/evil.so"
    run = server.add(assignment(database=evil, input=bytes_to_base64s(b"{}" + evil.encode())))
    runner.open(lambda notice: None)
    make_work().perform(Start(), run, Timeline())
    variables = runner.containers[run.result_id].settings.environment
    assert not any("evil" in text for text in (*variables, *variables.values()))


def test_D_disclosure_no_task_changes_a_threshold_of_the_owner(
    make_work, server, runner, assignment, config
):
    """Neither by its input nor by the label of its database: the container is told the owner's."""
    owners = Thresholds(minimum_rows=10, dominance=0.2)
    house = configured(config(allow_all_images=True, disclosure=vars(owners)))
    asked = {"minimum_rows": 1, "DISCLOSURE_MINIMUM_ROWS": "1", "event_times": True}
    content = {"method": "x", **asked, "kwargs": asked, "environment": asked}
    run = server.add(
        assignment(
            database="DISCLOSURE_MINIMUM_ROWS", input=bytes_to_base64s(json.dumps(content).encode())
        )
    )
    runner.open(lambda notice: None)
    make_work(policy=house).perform(Start(), run, Timeline())
    variables = runner.containers[run.result_id].settings.environment
    assert Thresholds.from_environment(variables) == owners


def test_D_disclosure_other_thresholds_are_another_policy(config):
    strict = config(disclosure={"minimum_rows": 10})
    assert fingerprint(config()) != fingerprint(strict)


def test_ghsa_hx2w_rjmx_934x_A24_without_a_policy_nothing_runs(config):
    house = configured(config())
    assert house.refuses_all
    request = Request("average", Origin(), read_input(b"{}"), ())
    assert decide(house, request).refused.subject == "image"


@pytest.mark.parametrize("values", [{"allow_all_images": True}, {"allowed_images": [".*"]}])
def test_ghsa_hx2w_rjmx_934x_A24_everything_is_allowed_loudly_and_not_in_production(
    config, values, caplog
):
    check_openness(config(**values), "application")
    assert "EVERY IMAGE MAY RUN HERE" in caplog.text
    with pytest.raises(ConfigurationError, match="prod"):
        check_openness(config(**values), "prod")


@pytest.mark.parametrize(
    ("pattern", "image"),
    [
        (r"harbor\.example/average", "evil.example/x/harbor.example/average"),
        (r"harbor\.example/average", "harbor.example/average-evil"),
        (r"harbor\.example/average", "harbor.example/average:evil"),
        (r"^harbor\.example/", "harbor.example/average"),
        (r"average$", "evil/average"),
    ],
)
def test_B_images_are_matched_from_the_first_to_the_last_letter(pattern, image):
    house = Policy(images=(re.compile(pattern),))
    assert not decide(house, Request(image, Origin(), read_input(b"{}"), ())).allowed


@pytest.mark.parametrize(
    "input_",
    [
        b'json.{"method": "mean", "method": "drop"}',
        b'{"method": "mean", "x": {"method": 1, "method": 2}}',
        b'{"method": ["mean"]}',
        b'{"Method": "mean"}',
        b'["mean"]',
        b"json.not json",
        b'{"method": "mean"} {"method": "drop"}',
        b'{"method": "mean\\n"}',
        '{"method": "mean"}'.encode("utf-16"),
        b"rds.X",
        b"[" * 100_000,
        b"",
    ],
)
def test_B_a_method_that_two_readers_could_read_differently_is_refused(input_):
    house = Policy((re.compile("average"),), methods=(re.compile("mean"),), pickle=True)
    decision = decide(house, Request("average", Origin(), read_input(input_), ()))
    assert decision.refused.subject == "method"


# The way out (section B: of the classic line's white list the ports count for all hosts)


def test_B_a_port_is_open_for_its_host_alone_and_for_the_databases_of_the_run_alone():
    own = Database.from_config("default", "postgresql://reader@omop.house/x")
    ways = plan([own], {}, ["terminology.example:443", "fhir.house:8080"])
    assert {(line.destination.host, line.destination.port) for line in ways.lines} == {
        ("omop.house", 5432),
        ("terminology.example", 443),
        ("fhir.house", 8080),
    }
    assert len(set(ways.hosts.values())) == 3


@pytest.mark.parametrize("entry", ["*:443", "*.example:443", "house", "10.0.0.0/8:443", ":443"])
def test_B_a_destination_is_one_host_and_one_port(config, entry):
    with pytest.raises(Exception, match=r"host|port"):
        config(allowed_destinations=[entry])
