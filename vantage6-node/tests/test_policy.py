"""What the owner's policy says, as a pure function: tables of requests and answers."""

import re

import pytest

from vantage6.common.disclosure import Thresholds
from vantage6.node.configuration import NodeSchema
from vantage6.node.policy import (
    ImageRule,
    Input,
    Origin,
    Policy,
    Request,
    Verdict,
    decide,
    read_input,
)
from vantage6.node.policy.configured import policy as policy_of
from vantage6.node.rules import Limits, Rules
from vantage6.node.state import Collect, Start, Started
from vantage6.node.timeline import Timeline

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
SOMEBODY = Origin(organization_id=6, organization_name="south")
INPUT = Input("json", "mean")


def policy(*images, **more):
    return Policy(images=tuple(map(re.compile, images)), **more)


def ask(policy, image="average", origin=SOMEBODY, input_=INPUT, digests=()):
    return decide(policy, Request(image, origin, input_, digests))


@pytest.mark.parametrize(
    ("pattern", "image"),
    [
        ("average", "average"),
        ("average", "average:latest"),
        ("average:latest", "average"),
        (r"docker\.io/library/average:latest", "average"),
        (r"^v6-average-py:3\.12\.0$", "v6-average-py:3.12.0"),
        (r"harbor\.example/algorithms/.*", "harbor.example/algorithms/average:1.0"),
        (rf"harbor\.example/glm@{DIGEST}", f"harbor.example/glm@{DIGEST}"),
        (rf"harbor\.example/glm@{DIGEST}", f"harbor.example/glm:1.0@{DIGEST}"),
        ("vantage6/average:1", "docker.io/vantage6/average:1"),
    ],
)
def test_allowed_images(pattern, image):
    assert ask(policy("somebody/else", pattern), image).allowed


@pytest.mark.parametrize(
    ("pattern", "image"),
    [
        ("average", "average-evil"),
        ("average", "evil/average"),
        ("average", "average:evil"),
        (r"harbor\.example/average", "evil.example/harbor.example/average"),
        (r"harbor\.example/average", "harbor.example/average@sha256:" + "b" * 64),
        (rf"harbor\.example/glm@{DIGEST}", "harbor.example/glm"),
        (rf"harbor\.example/glm@{DIGEST}", f"harbor.example/glm@{OTHER}"),
        ("average|other", "average-other"),
        (".*", ""),
        (".*", "average\nevil"),
    ],
)
def test_images_not_allowed(pattern, image):
    assert ask(policy(pattern), image).refused.subject == "image"


def test_an_empty_list_refuses_all():
    assert policy().refuses_all
    assert "does not allow" in ask(policy()).reason


def test_everything_can_be_allowed_but_nonsense():
    everything = policy(all_images=True)
    assert not everything.refuses_all
    assert ask(everything, "anything/at:all").allowed
    assert not ask(everything, "Not An Image").allowed


BY_DIGEST = policy(rf"harbor\.example/glm@{DIGEST}")


@pytest.mark.parametrize(
    ("image", "digests", "verdict"),
    [
        ("harbor.example/glm:1.0", None, Verdict.OPEN),
        ("harbor.example/glm:1.0", [DIGEST], Verdict.ALLOWED),
        ("harbor.example/glm:1.0", [OTHER, DIGEST], Verdict.ALLOWED),
        ("harbor.example/glm:1.0", [OTHER], Verdict.REFUSED),
        ("harbor.example/glm:1.0", [], Verdict.REFUSED),
        ("harbor.example/other:1.0", None, Verdict.REFUSED),
        ("harbor.example/other:1.0", [DIGEST], Verdict.REFUSED),
        (f"harbor.example/glm@{OTHER}", None, Verdict.REFUSED),
        (f"harbor.example/glm@{OTHER}", [DIGEST], Verdict.REFUSED),
    ],
)
def test_a_pattern_with_a_digest_waits_for_the_digest_of_a_tag(image, digests, verdict):
    decision = ask(BY_DIGEST, image, digests=digests)
    assert decision.steps[0].verdict is verdict
    assert decision.allowed is (verdict is Verdict.ALLOWED)


RDS = b"X\n\x00\x00\x00\x03\x00\x04\x02\x02"
PICKLES = [b"pickle.\x80", b"PICKLE.\x80", b"\x80\x04}.", b"(dp0\n"]
OF_R = [
    b"rds." + RDS,
    b"RDS." + RDS,
    RDS,
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    b"A\n3\n262658\n",
]


@pytest.mark.parametrize("input_", [*PICKLES, *OF_R])
def test_what_runs_code_when_it_is_read_is_refused_unless_allowed(input_):
    decision = ask(policy("average"), input_=read_input(input_))
    assert decision.refused.subject == "input"
    assert "JSON" in decision.reason
    assert ask(policy("average", pickle=True), input_=read_input(input_)).allowed


@pytest.mark.parametrize("input_", [b'json.{"a": 1}', b'{"a": 1}', b"xml.<a/>", b""])
def test_other_inputs_pass_where_methods_are_free(input_):
    assert ask(policy("average"), input_=read_input(input_)).allowed


def test_a_large_input_is_read_only_where_its_method_decides():
    large = b'{"method": "mean", "x": "' + b"x" * 1000 + b'"}'
    assert read_input(large).method == "mean"
    assert read_input(large, largest=1000).method is None
    free, bound = policy("average"), policy("average", methods=(re.compile("mean"),))
    assert (free.restricts_methods, bound.restricts_methods) == (False, True)
    assert ask(free, input_=read_input(large, largest=1000)).allowed
    assert not ask(bound, input_=read_input(large, largest=1000)).allowed


def test_rules_of_the_first_entry_that_matches():
    config = NodeSchema().load(
        {
            "api_key": "key",
            "server_url": "http://localhost",
            "port": 5000,
            "api_path": "/api",
            "databases": {},
            "encryption": {"enabled": False},
            "allowed_images": ["average", "glm"],
            "algorithm_env": {"X": "y"},
            "limits": {"memory": "1g", "time": "1h"},
            "disclosure": {"minimum_rows": 10},
            "policies": {
                "images": [
                    {"image": "average", "limits": {"memory": "2g"}, "run_as": "5:6"},
                    {"image": "survival", "disclosure": {"event_times": True}},
                    {"image": "a.*", "gpu": True},
                ]
            },
        }
    )
    house = policy_of(config)
    average, glm = house.rules_for("average:latest"), house.rules_for("glm")
    assert (average.limits.memory, average.limits.time) == (2 * 2**30, 3600.0)
    assert (average.run_as, average.gpu, average.environment["X"]) == ("5:6", False, "y")
    assert (glm.limits.memory, glm.run_as) == (2**30, None)
    assert house.rules_for("a").gpu
    told = {
        image: Thresholds.from_environment(house.rules_for(image).environment)
        for image in ("glm", "average", "survival")
    }
    assert told["glm"] == told["average"] == Thresholds(minimum_rows=10)
    assert told["survival"] == Thresholds(minimum_rows=10, event_times=True)


def test_rules_for_a_digest_hold_until_the_end_of_a_run_that_names_the_tag(
    make_work, server, runner, assignment
):
    """Also in the next process: what runs is kept with the files of the run."""
    runner.open(lambda notice: None)
    digest = runner.find_image("average").digests[0]
    small = Rules(Limits(output=3))
    exception = ImageRule(re.compile(rf"average@{digest}"), rules=small)
    house = policy("average", exceptions=(exception,))
    run = server.add(assignment())
    assert isinstance(make_work(policy=house).perform(Start(), run, Timeline()), Started)
    assert runner.containers[run.result_id].settings.limits.output == 3
    report = make_work(policy=house).perform(Collect(), run, Timeline()).report
    assert (report.status.value, " 3" in report.log) == ("failed", True), report.log
