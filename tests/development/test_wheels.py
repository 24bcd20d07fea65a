from importlib import metadata

import pytest

from development import wheels


@pytest.fixture
def needs(monkeypatch):
    """Distributions by what they need."""
    table = {
        "a": ["B[fast]", "c; python_version < '3.12'"],
        "b": ["d; extra == 'fast'", "e; extra == 'slow'", "a"],
    }
    monkeypatch.setattr(metadata, "requires", lambda name: table.get(name))


def test_needs_are_followed_for_the_python_of_the_image(needs):
    assert wheels.closure(["a"], {"python_version": "3.11"}) == ["a", "b", "c", "d"]
    assert wheels.closure(["a"], {"python_version": "3.13"}) == ["a", "b", "d"]


def test_the_client_brings_the_tools_and_nothing_of_server_or_node():
    needed = wheels.closure(["vantage6-client"], {})
    ours = [name for name in needed if name in wheels.checkout()]
    assert ours == ["vantage6-algorithm-tools", "vantage6-client", "vantage6-common"]
    assert not {"flask", "sqlalchemy", "docker"} & set(needed)


def test_the_digest_follows_the_sources(monkeypatch, tmp_path):
    for name in ("setup.py", "vantage6/x/y.py", "tests/test_y.py"):
        path = tmp_path / "vantage6-x" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")
    monkeypatch.setattr(wheels, "ROOT", tmp_path)
    monkeypatch.setattr(metadata, "requires", lambda name: [])
    digests = [wheels.digest(["vantage6-x"])]
    for name in ("tests/test_y.py", "vantage6/x/y.py"):
        (tmp_path / "vantage6-x" / name).write_text("2")
        digests.append(wheels.digest(["vantage6-x"]))
    assert digests[0] == digests[1] != digests[2]


def test_what_was_fetched_half_is_fetched_again(monkeypatch, tmp_path):
    monkeypatch.setattr(wheels, "CACHE", tmp_path)

    def fail(folder):
        folder.mkdir()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wheels._cached("kind", "wanted", fail)
    assert list(tmp_path.iterdir()) == []
    assert wheels._cached("kind", "wanted", lambda folder: folder.mkdir()).exists()
