import pytest

from vantage6.node.policy import NotAllowed, Policy

DIGEST = "sha256:" + "a" * 64


def policy(*images, **more):
    return Policy(images, **{"allow_all_images": False, "allow_pickle": False, **more})


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
        ("vantage6/average:1", "docker.io/vantage6/average:1"),
    ],
)
def test_allowed(pattern, image):
    policy("somebody/else", pattern).check_image(image)


@pytest.mark.parametrize(
    ("pattern", "image"),
    [
        ("average", "average-evil"),
        ("average", "evil/average"),
        ("average", "average:evil"),
        (r"harbor\.example/average", "evil.example/harbor.example/average"),
        (r"harbor\.example/average", "harbor.example/average@sha256:" + "b" * 64),
        (rf"harbor\.example/glm@{DIGEST}", "harbor.example/glm"),
        (rf"harbor\.example/glm@{DIGEST}", f"harbor.example/glm@sha256:{'b' * 64}"),
        ("average|other", "average-other"),
        (".*", ""),
        (".*", "average\nevil"),
    ],
)
def test_not_allowed(pattern, image):
    with pytest.raises(NotAllowed):
        policy(pattern).check_image(image)


def test_an_empty_list_refuses_all():
    assert policy().refuses_all
    with pytest.raises(NotAllowed, match="does not allow"):
        policy().check_image("average")


def test_everything_can_be_allowed_but_nonsense():
    everything = policy(allow_all_images=True)
    assert not everything.refuses_all
    everything.check_image("anything/at:all")
    with pytest.raises(NotAllowed):
        everything.check_image("Not An Image")


@pytest.mark.parametrize("input_", [b"pickle.\x80", b"PICKLE.\x80", b"\x80\x04}.", b"(dp0\n"])
def test_pickles_are_refused_unless_allowed(input_):
    with pytest.raises(NotAllowed, match="JSON"):
        policy().check_input(input_)
    policy(allow_pickle=True).check_input(input_)


@pytest.mark.parametrize("input_", [b'json.{"a": 1}', b'{"a": 1}', b"rds.X", b""])
def test_other_inputs_pass(input_):
    policy().check_input(input_)
