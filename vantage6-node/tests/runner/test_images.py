"""Which image a name stands for: with a registry that wants a log-in, and ones that are away."""
# ruff: noqa: N802

import queue
import socket
import threading
from contextlib import closing

import docker
import pytest
from docker.errors import ImageNotFound

from development import registry as registries
from vantage6.node.image.store import ImageStore
from vantage6.node.runner import images as module
from vantage6.node.runner.images import Images
from vantage6.node.runner.interface import ImageMissing

pytestmark = pytest.mark.docker

SECONDS = 30


class Clock:
    def __init__(self):
        self.time = 1000.0

    def __call__(self):
        return self.time


class Counting:
    """A client of the engine that notes down what it is asked for."""

    def __init__(self, api):
        self._api = api
        self.calls = []

    def __getattr__(self, name):
        def call(*args, **options):
            self.calls.append(name)
            return getattr(self._api, name)(*args, **options)

        return call


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def hasty():
    with closing(docker.APIClient(timeout=2)) as client:
        yield Counting(client)


@pytest.fixture
def patient(api):
    return Counting(api)


@pytest.fixture
def make(patient, hasty, registry, tmp_path, clock):
    def make(when="newer", log_ins=None):
        log_ins = [registry.log_in] if log_ins is None else log_ins
        return Images(patient, hasty, log_ins, when, ImageStore(tmp_path / "store"), clock)

    return make


def missing(images, image):
    with pytest.raises(ImageMissing) as caught:
        images.fetch(images.find(image))
    return str(caught.value)


def test_from_a_registry_that_wants_a_log_in(make, shelf, engine):
    image = shelf.image()
    digest = shelf.push(image)
    found = make().find(image)
    assert (found.name, found.digest, found.is_here, found.remark) == (image, digest, False, "")
    fetched = make().fetch(found)
    assert engine.images.get(image).id == fetched.id
    assert (fetched.digest, fetched.user, fetched.remark) == (digest, "1234:5678", "")
    assert fetched.digests == (digest, fetched.id)


def test_what_is_here_already_is_not_fetched_again(make, shelf, patient, clock):
    image = shelf.image()
    shelf.push(image, keep=True)
    clock.time += 100
    found = make().find(image)
    assert found.is_here
    assert make().fetch(found) is found
    assert "pull" not in patient.calls


def test_a_newer_one_is_fetched_and_takes_the_name(make, shelf, engine, clock):
    image = shelf.image()
    shelf.push(image, "old", keep=True)
    old = engine.images.get(image).id
    images = make()
    assert images.find(image).id == old
    digest = shelf.push(image, "new")
    engine.api.tag(old, *image.rsplit(":", 1))
    clock.time += module.FRESH_SECONDS
    found = images.find(image)
    assert (found.digest, found.is_here) == (digest, False)
    new = images.fetch(found)
    assert engine.images.get(image).id == new.id != old
    assert make("never").find(image).id == new.id


def test_an_older_one_that_the_tag_goes_back_to_takes_the_name(make, shelf, engine, clock):
    image = shelf.image()
    old = shelf.push(image, "old", keep=True)
    old_id = engine.images.get(image).id
    images = make()
    shelf.push(image, "new", keep=True)
    engine.api.tag(old_id, *shelf.image(tag="keep").rsplit(":", 1))
    engine.api.tag(old_id, *image.rsplit(":", 1))
    said = engine.api.push(*image.rsplit(":", 1), auth_config=shelf.registry.log_in)
    assert "error" not in said
    found = images.find(image)
    assert (found.digest, found.id) == (old, old_id)
    assert engine.images.get(image).id == old_id


def test_a_queue_of_runs_asks_once(make, shelf, hasty, clock):
    image = shelf.image()
    shelf.push(image, keep=True)
    images = make()
    for _ in range(5):
        images.find(image)
    assert hasty.calls == ["inspect_distribution"]
    clock.time += module.FRESH_SECONDS
    images.find(image)
    assert hasty.calls == ["inspect_distribution"] * 2


def test_runs_of_one_image_fetch_it_once(make, shelf, patient):
    image = shelf.image()
    shelf.push(image)
    images = make()
    found, together, ids = images.find(image), threading.Barrier(4), queue.SimpleQueue()

    def fetch():
        together.wait()
        ids.put(images.fetch(found).id)

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({ids.get(timeout=SECONDS) for _ in threads}) == 1
    assert patient.calls.count("pull") == 1


def test_anchor_E4_a_tag_that_moves_after_the_check_changes_nothing(make, shelf):
    image = shelf.image()
    checked = shelf.push(image, "checked")
    images = make()
    found = images.find(image)
    moved = shelf.push(image, "moved")
    fetched = images.fetch(found)
    assert fetched.digest == checked != moved
    assert fetched.id == images.find(f"{image.rpartition(':')[0]}@{checked}").id


def test_by_digest(make, shelf, hasty, patient, engine):
    image = shelf.image()
    digest = shelf.push(image, "first")
    shelf.push(image, "second")
    pinned = f"{image}@{digest}"
    images = make()
    fetched = images.fetch(images.find(pinned))
    assert fetched.digest == digest
    # Nobody needs to be asked what a digest means.
    assert hasty.calls == []
    assert "inspect_distribution" not in patient.calls
    assert images.find(pinned).id == fetched.id
    # And who asks by digest does not choose for others what the tag means.
    with pytest.raises(ImageNotFound):
        engine.images.get(image)


def test_a_digest_that_the_registry_does_not_have(make, shelf):
    image = shelf.image()
    shelf.push(image)
    reason = missing(make(), f"{image.rpartition(':')[0]}@sha256:{'0' * 64}")
    assert reason.endswith(f"its registry {shelf.registry.address} does not have it")


def test_one_that_does_not_exist(make, shelf):
    reason = missing(make(), shelf.image("nothing"))
    assert reason.endswith(f"its registry {shelf.registry.address} does not have it")


@pytest.mark.parametrize("password", [None, "wrong"])
def test_not_authorised(make, shelf, password):
    image = shelf.image()
    shelf.push(image)
    log_ins = [{**shelf.registry.log_in, "password": password}] if password else []
    assert "did not authorise this node" in missing(make(log_ins=log_ins), image)


def test_not_authorised_but_here(make, shelf):
    image = shelf.image()
    shelf.push(image, keep=True)
    found = make(log_ins=[]).find(image)
    assert found.is_here
    assert found.remark.startswith(f"The copy of the image {image} on this node was used")
    assert "did not authorise this node" in found.remark


def test_made_here_and_never_pushed(make, shelf):
    image = shelf.image()
    made = shelf.make(image)
    found = make().find(image)
    assert (found.id, found.digest) == (made, None)
    assert found.remark.endswith(f"its registry {shelf.registry.address} does not have it")


def test_a_registry_that_is_away(make, shelf):
    assert missing(make(), "127.0.0.1:9/study/mean:1").endswith(
        "its registry 127.0.0.1:9 cannot be reached"
    )
    image = "127.0.0.1:9/study/mean:2"
    made = shelf.make(image)
    found = make().find(image)
    assert found.id == made
    assert found.remark.endswith("its registry 127.0.0.1:9 cannot be reached")


def test_a_registry_that_never_answers_holds_up_one_run_only(make, shelf, hasty, clock):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        image = f"127.0.0.1:{mute.getsockname()[1]}/study/mean:1"
        shelf.make(image)
        images = make()
        for _ in range(3):
            assert images.find(image).remark.endswith("cannot be reached")
        assert hasty.calls == ["inspect_distribution"]


def test_a_registry_that_is_back_is_noticed_beside_the_runs(
    make, shelf, hasty, clock, engine, tmp_path
):
    with registries.running(tmp_path / "registry") as registry:
        shelf.registry = registry
        image = shelf.image()
        shelf.push(image, keep=True)
    images = make(log_ins=[registry.log_in])
    assert images.find(image).remark.endswith("cannot be reached")
    port = int(registry.address.rpartition(":")[2])
    with registries.running(tmp_path / "registry", port):
        assert images.find(image).remark.endswith("cannot be reached")
        assert len(hasty.calls) == 1
        clock.time += module.SILENT_SECONDS
        assert images.find(image).remark.endswith("cannot be reached")
        for thread in threading.enumerate():
            if thread.name == "registry":
                thread.join()
        assert images.find(image).remark == ""


def test_fetched_only_when_it_is_not_here(make, shelf, hasty, clock):
    image = shelf.image()
    shelf.push(image, "old", keep=True)
    images = make("missing")
    old = images.find(image)
    shelf.push(image, "new", keep=False)
    shelf.make(shelf.image())
    absent = shelf.image()
    shelf.push(absent)
    assert old.is_here
    assert images.fetch(images.find(absent)).is_here
    assert hasty.calls == []


def test_never_fetched(make, shelf, patient, hasty):
    image, absent = shelf.image(), shelf.image()
    digest = shelf.push(image, keep=True)
    shelf.push(absent)
    images = make("never")
    assert images.find(image).digest == digest
    for name in (absent, f"{absent.rpartition(':')[0]}@sha256:{'0' * 64}"):
        assert missing(images, name).endswith(
            "is not on this node, which fetches none (`image_pull: never`)"
        )
    assert {"pull", "inspect_distribution"}.isdisjoint(patient.calls + hasty.calls)


def test_an_image_goes_by_its_name_and_never_by_its_id(make, shelf):
    image_id = shelf.make(shelf.image()).removeprefix("sha256:")
    for name in (image_id, image_id[:12]):
        assert "is not on this node" in missing(make("never"), name)
    assert "is not the name" in missing(make("never"), f"sha256:{image_id[:12]}@")


def test_anchor_B_an_image_that_only_ends_alike_is_another_one(make, shelf):
    image = shelf.image()
    shelf.make(image)
    assert "is not on this node" in missing(make("never"), image.replace("/study", "/evil/study"))
    assert "is not on this node" in missing(make("never"), image.partition("/")[2])
