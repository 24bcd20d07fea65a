"""Signatures of images, made and checked with our own keys; and images that come in a file."""
# ruff: noqa: N802

import base64
import json
import tarfile
import threading
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from vantage6.common import image as images
from vantage6.common.exceptions import ConfigurationError
from vantage6.node.cli import main
from vantage6.node.image import bundle, registry
from vantage6.node.image.registry import RegistryError, Repository
from vantage6.node.image.signature import (
    Signature,
    SignatureCheck,
    Unsigned,
    fetch_signatures,
    load_private_key,
    load_public_key,
    publish,
    sign,
)
from vantage6.node.image.store import ImageStore, digest_of
from vantage6.node.runner.images import Images

pytestmark = pytest.mark.docker

PASSWORD = "of the key"
ANNOTATION = "dev.cosignproject.cosign/signature"


@pytest.fixture(scope="module")
def key():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def store(tmp_path):
    return ImageStore(tmp_path / "images")


@pytest.fixture
def log_ins(registry):
    return {registry.address: registry.log_in}


@pytest.fixture
def check(key, store, log_ins):
    return SignatureCheck([key.public_key()], store, partial(fetch_signatures, log_ins))


@pytest.fixture
def signed(shelf, log_ins):
    """Put an image into the registry with a signature by a key; its name and digest."""

    def make(key, image=None):
        image = image or shelf.image()
        digest = shelf.push(image)
        publish(repository(image, log_ins), digest, [sign(key, images.parse(image), digest)])
        return image, digest

    return make


def repository(image, log_ins):
    reference = images.parse(image)
    return Repository(reference, log_ins.get(reference.domain))


def refusal(check, image, digest):
    with pytest.raises(Unsigned) as caught:
        check.require(image, digest)
    assert str(caught.value).startswith("The owner of this node requires signed images")
    return str(caught.value)


def test_signed_with_the_right_key(check, signed, key):
    check.require(*signed(key))


def test_one_good_signature_among_others_is_enough(check, shelf, key, log_ins):
    image = shelf.image()
    digest, reference = shelf.push(image), images.parse(image)
    other = ec.generate_private_key(ec.SECP256R1())
    publish(
        repository(image, log_ins),
        digest,
        [sign(other, reference, digest), sign(key, reference, digest)],
    )
    check.require(image, digest)


def test_wrong_key(check, signed):
    image, digest = signed(ec.generate_private_key(ec.SECP256R1()))
    assert "not signed with a key that the owner trusts" in refusal(check, image, digest)


def test_no_signature(check, shelf):
    image = shelf.image()
    assert refusal(check, image, shelf.push(image)).endswith("has no signature")


def test_never_in_a_registry(check, shelf):
    assert "no digest" in refusal(check, shelf.image(), None)


def test_the_signature_of_another_image(check, signed, shelf, key, log_ins):
    image, _ = signed(key)
    other = shelf.push(shelf.image())
    publish(repository(image, log_ins), other, [sign(key, images.parse(image), digest_of(b""))])
    assert "a signature of something else" in refusal(check, image, other)


def test_the_signature_under_another_name(check, signed, key, log_ins, shelf):
    """The same content, but the owner trusts it under the name that was signed only."""
    image, digest = signed(key)
    found = fetch_signatures(log_ins, images.parse(image), digest)
    other = shelf.image()
    publish(repository(other, log_ins), digest, found)
    assert "a signature of something else" in refusal(check, other, digest)


def test_anchor_E4_a_tag_that_moves_after_it_was_signed(check, signed, shelf, key):
    image, digest = signed(key)
    check.require(image, digest)
    assert refusal(check, image, shelf.push(image, "moved")).endswith("has no signature")


def test_a_document_that_was_changed_in_the_registry(check, signed, key, log_ins, registry):
    image, digest = signed(key)
    (found,) = fetch_signatures(log_ins, images.parse(image), digest)
    blob = digest_of(found.payload.encode()).removeprefix("sha256:")
    (file,) = registry.folder.rglob(f"{blob}/data")
    file.write_text(found.payload.replace("null", "true"))
    assert "something else than asked for" in refusal(check, image, digest)


@pytest.mark.parametrize("broken", ["", "AAAA", "%%%"])
def test_a_signature_that_was_changed(check, shelf, key, log_ins, broken):
    image = shelf.image()
    digest = shelf.push(image)
    good = sign(key, images.parse(image), digest)
    changed = Signature(good.payload.replace("null", '"x"'), good.signature)
    publish(repository(image, log_ins), digest, [changed, Signature(good.payload, broken or "A=")])
    assert "not signed with a key that the owner trusts" in refusal(check, image, digest)


@pytest.mark.parametrize(
    "payload",
    ["", "[]", "{}", '{"critical": null}', '{"critical": {"identity": {"docker-reference": 1}}}'],
)
def test_what_is_no_document_is_no_signature(key, payload):
    reference = images.parse("registry.example/mean:1")
    assert not Signature(payload, "").is_for(reference, "sha256:0")


def test_a_signature_that_was_good_needs_no_registry_again(signed, key, store, log_ins):
    asked = []

    def fetch(reference, digest):
        asked.append(digest)
        return fetch_signatures(log_ins, reference, digest)

    image, digest = signed(key)
    for _ in range(2):
        SignatureCheck([key.public_key()], store, fetch).require(image, digest)
    assert asked == [digest]
    # It is checked again, though: the owner may have stopped trusting the key.
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    refusal(SignatureCheck([other], store, fetch), image, digest)


def test_a_registry_that_is_away(check):
    text = refusal(check, "127.0.0.1:9/study/mean:1", digest_of(b""))
    assert text.endswith("The registry 127.0.0.1:9 cannot be reached")


# Keys


def write(path, key, password=None):
    how = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how))
    public = path.with_suffix(".pub")
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return path, public


@pytest.mark.parametrize("load", [load_public_key, partial(load_private_key, password=None)])
def test_files_that_hold_no_key(load, tmp_path):
    other = tmp_path / "other"
    other.write_text("no key")
    with pytest.raises(ConfigurationError, match="holds no"):
        load(other)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(tmp_path / "absent")
    private, public = write(tmp_path / "rsa", rsa.generate_private_key(65537, 2048))
    with pytest.raises(ConfigurationError, match="ECDSA"):
        load(public if load is load_public_key else private)


def test_a_key_with_a_password(key, tmp_path):
    path, _ = write(tmp_path / "key.pem", key, PASSWORD)
    assert load_private_key(path, PASSWORD).private_numbers() == key.private_numbers()
    with pytest.raises(ConfigurationError, match="password"):
        load_private_key(path, None)


# Commands


@pytest.fixture
def command(registry, tmp_path, monkeypatch):
    """Run `vnode-local` as somebody who has done `docker login`, and has a node."""
    docker = tmp_path / "docker"
    docker.mkdir()
    known = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    content = {"auths": {registry.address: {"auth": known}}}
    (docker / "config.json").write_text(json.dumps(content))
    monkeypatch.setenv("DOCKER_CONFIG", str(docker))
    monkeypatch.setenv("HOME", str(tmp_path))
    config = tmp_path / "node.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "application": {
                    "api_key": "key",
                    "server_url": "http://server.test",
                    "port": 80,
                    "api_path": "",
                    "databases": {},
                    "encryption": {"enabled": False},
                    "logging": {"level": "INFO", "file": "node.log"},
                    "directories": {"data": str(tmp_path / "data"), "log": str(tmp_path)},
                }
            }
        )
    )

    def run(*arguments, node=False):
        own = ("--config", str(config)) if node else ()
        return CliRunner().invoke(main, ["image", *map(str, arguments), *own])

    return run


def test_from_the_maker_to_a_house_without_a_registry(
    command, shelf, key, store, tmp_path, engine, api
):
    image, file = shelf.image(), tmp_path / "mean.tar"
    digest = shelf.push(image, keep=True)
    image_id = engine.images.get(image).id
    private, public = write(tmp_path / "key.pem", key)
    done = command("sign", image, "--key", private)
    assert done.output.strip() == f"Signed {image.rpartition(':')[0]}@{digest}"
    done = command("save", image, file)
    assert done.exit_code == 0, done.output
    engine.images.remove(image_id, force=True)

    done = command("load", file, node=True)
    assert done.output.strip() == f"Loaded {images.canonical(image)}, {digest}"
    assert json.loads(command("list", "--json", node=True).output) == {digest: 1}
    assert engine.api.inspect_image(image)["RepoDigests"] == []
    (loaded,) = (path for path in tmp_path.rglob("images") if path.is_dir())
    here = Images(api, api, [], "never", ImageStore(loaded))
    by_digest = f"{image.rpartition(':')[0]}@{digest}"
    for name in (image, by_digest, f"{image}@{digest}"):
        found = here.find(name)
        assert (found.id, found.digest) == (image_id, digest)

    def nowhere(reference, digest):
        raise RegistryError("There is none here")

    check = SignatureCheck([load_public_key(public)], ImageStore(loaded), nowhere)
    check.require(image, digest)


def test_signing_twice_keeps_both(command, shelf, key, log_ins, tmp_path):
    image = shelf.image()
    digest = shelf.push(image)
    for name in ("one", "two"):
        path, _ = write(tmp_path / name, ec.generate_private_key(ec.SECP256R1()))
        assert command("sign", image, "--key", path).exit_code == 0
    assert len(fetch_signatures(log_ins, images.parse(image), digest)) == 2


def test_what_cannot_be_saved_or_loaded_is_one_sentence(command, shelf, tmp_path, key):
    image, file = shelf.image(), tmp_path / "x.tar"
    assert "does not have it" in command("save", image, file).output
    shelf.push(image)
    assert "refuses" in command("save", image, file).output
    shelf.make(image, "another")
    assert "is another one than that of its registry" in command("save", image, file).output
    file.write_text("nothing")
    assert "is not an image with its manifest" in command("load", file, node=True).output
    path, _ = write(tmp_path / "key.pem", key)
    assert "does not have it" in command("sign", shelf.image(), "--key", path).output
    assert "is not the name" in command("sign", "UPPER", "--key", path).output


def test_a_manifest_that_is_not_what_its_name_says_counts_for_nothing(store):
    digest = store.add_manifest(b'{"config": {"digest": "sha256:1"}}')
    assert list(store.image_ids(digest)) == ["sha256:1"]
    (file,) = store._folder.glob("*/manifest.json")
    file.write_bytes(b'{"config": {"digest": "sha256:2"}}')
    assert list(store.image_ids(digest)) == []
    assert store.digest("sha256:2") is None


def test_a_list_of_platforms_stands_for_its_images(store):
    own = store.add_manifest(b'{"config": {"digest": "sha256:1"}}')
    entries = {"manifests": [{"digest": "sha256:0"}, {"digest": own}]}
    both = store.add_manifest(json.dumps(entries).encode())
    assert list(store.image_ids(both)) == ["sha256:1"]
    assert store.digest("sha256:1") == both


def test_a_file_with_another_image_than_its_manifest_is_refused(shelf, store, tmp_path, api):
    image, file = shelf.image(), tmp_path / "x.tar"
    shelf.make(image)

    class Other:
        def manifest(self, name):
            config = api.inspect_image(image)["Id"]
            return json.dumps({"config": {"digest": config}}).encode()

    bundle.save(api, Other(), image, [], file)
    content = file.read_bytes()
    image_id = api.inspect_image(image)["Id"].removeprefix("sha256:")
    other = image_id[::-1]
    name = digest_of(json.dumps({"config": {"digest": f"sha256:{image_id}"}}).encode())
    assert name.encode() in content
    at = content.index(b'{"config"')
    file.write_bytes(content[:at] + content[at:].replace(image_id.encode(), other.encode(), 1))
    with pytest.raises(bundle.BundleUnusable, match="another image"):
        bundle.load(api, store, file)


def test_anchor_E4_a_file_that_gives_an_allowed_name_to_another_image(shelf, tmp_path, api, store):
    """An engine takes every name in an archive from the image that has it."""
    allowed, sent, other = (shelf.image() for _ in range(3))
    for number, image in enumerate((allowed, sent, other)):
        shelf.make(image, str(number))
    ids = {image: api.inspect_image(image)["Id"] for image in (allowed, sent, other)}
    manifest = json.dumps({"config": {"digest": ids[sent]}}).encode()
    repository, _, tag = allowed.rpartition(":")
    # Another image under the allowed name beside the one that is meant, or that one under both.
    for renamed in (other, sent):
        api.tag(ids[renamed], repository, tag, force=True)
        names = {"names": [sent, allowed]}
        archive = api._get(api._url("/images/get"), params=names).content
        api.tag(ids[allowed], repository, tag, force=True)
        with tarfile.open(tmp_path / "evil.tar", "w") as evil:
            bundle._add(evil, f"{digest_of(manifest)}.manifest", manifest)
            bundle._add(evil, "image.tar", archive)
        with pytest.raises(bundle.BundleUnusable, match="one image under one name"):
            bundle.load(api, store, tmp_path / "evil.tar")
        assert api.inspect_image(allowed)["Id"] == ids[allowed]


# Registries that give out tokens


@contextmanager
def answering(answer):
    """A registry in which a function of the request makes the answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = answer(self)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_registry_with_tokens():
    def answer(request):
        given = request.headers.get("Authorization", "")
        if request.path.startswith("/token?"):
            assert base64.b64decode(given.removeprefix("Basic ")) == b"alice:secret"
            assert "scope=repository%3Astudy%3Apull" in request.path
            return 200, {}, b'{"token": "T"}'
        if given == "Bearer T":
            return 200, {}, b"{}"
        where = f"http://{request.headers['Host']}/token"
        challenge = f'Bearer realm="{where}",service="s",scope="repository:study:pull"'
        return 401, {"WWW-Authenticate": challenge}, b""

    with answering(answer) as address:
        reference = images.parse(f"{address}/study:1")
        log_in = {"username": "alice", "password": "secret"}
        assert Repository(reference, log_in).manifest("1") == b"{}"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((401, {}, b""), "did not authorise"),
        ((500, {}, b""), "answered 500"),
        ((200, {}, b"x" * (4 * 2**20 + 1)), "more than a document"),
    ],
)
def test_a_registry_that_means_no_good(answer, words):
    with answering(lambda request: answer) as address:
        found = Repository(images.parse(f"{address}/study:1"), None)
        with pytest.raises(RegistryError, match=words):
            found.manifest("1")


@pytest.mark.parametrize(
    ("token", "words"), [(b"x" * (4 * 2**20 + 1), "more than a document"), (b"[]", "no token")]
)
def test_a_log_in_that_means_no_good(token, words):
    def answer(request):
        if request.path.startswith("/token"):
            return 200, {}, token
        where = f"http://{request.headers['Host']}/token"
        return 401, {"WWW-Authenticate": f'Bearer realm="{where}"'}, b""

    with answering(answer) as address:
        found = Repository(images.parse(f"{address}/study:1"), None)
        with pytest.raises(RegistryError, match=words):
            found.manifest("1")


def test_more_signatures_than_anybody_makes_are_not_fetched():
    asked = []

    def answer(request):
        asked.append(request.path)
        if "/blobs/" in request.path:
            return 200, {}, b"{}"
        layer = {"digest": digest_of(b"{}"), "annotations": {ANNOTATION: "AAAA"}}
        return 200, {}, json.dumps({"layers": [layer] * 1000}).encode()

    with answering(answer) as address:
        fetch_signatures({}, images.parse(f"{address}/study:1"), digest_of(b"x"))
    assert len(asked) < 100


def test_only_this_machine_is_spoken_to_in_the_clear():
    hosts = ("localhost:5000", "127.0.0.1:5000", "127.8.8.8", "registry.example", "10.0.0.1:80")
    assert [registry._scheme(host) for host in hosts] == ["http"] * 3 + ["https"] * 2
