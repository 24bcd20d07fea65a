"""Image names: every spelling of one image is the same, and nothing else is."""

import pytest

from vantage6.common.image import canonical, familiar

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("reference", "full", "short"),
    [
        ("average", "docker.io/library/average:latest", "average:latest"),
        ("docker.io/average", "docker.io/library/average:latest", "average:latest"),
        ("index.docker.io/library/average:1", "docker.io/library/average:1", "average:1"),
        ("user/average:1.0", "docker.io/user/average:1.0", "user/average:1.0"),
        ("house.example/a/b", "house.example/a/b:latest", "house.example/a/b:latest"),
        # the short spelling would be an image of another house
        ("docker.io/a.example/b:1", "docker.io/a.example/b:1", "docker.io/a.example/b:1"),
        ("docker.io/localhost/b:1", "docker.io/localhost/b:1", "docker.io/localhost/b:1"),
        ("localhost/a:x", "localhost/a:x", "localhost/a:x"),
        ("house:5000/a/b:x", "house:5000/a/b:x", "house:5000/a/b:x"),
        (f"a@{DIGEST}", f"docker.io/library/a@{DIGEST}", f"a@{DIGEST}"),
        (f"h.example/a:1@{DIGEST}", f"h.example/a:1@{DIGEST}", f"h.example/a:1@{DIGEST}"),
    ],
)
def test_spellings(reference, full, short):
    assert canonical(reference) == full
    assert familiar(reference) == short
    assert canonical(full) == canonical(short) == full


@pytest.mark.parametrize(
    "reference",
    ["", " ", "-a", "a:", "A", "a b", "a@sha256:12", "a//b", "a;rm -rf /", "../a", "a\nb", "Ab/c"],
)
def test_nonsense_is_refused(reference):
    with pytest.raises(ValueError, match="not the name"):
        canonical(reference)


def test_a_longer_name_that_ends_alike_is_another_image():
    assert canonical("evil.example/x/average") != canonical("average")
