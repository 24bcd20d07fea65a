"""The payload store in a bucket, with a storage that comes and goes."""

import logging
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import buckets
import pytest

from development import nginx
from development import swift as openstack
from development.certificates import Certificate, make_certificate
from development.ports import LOOPBACK, free_port
from development.swift import Swift
from vantage6.common.exceptions import ConfigurationError
from vantage6.server.store import bucket as buckets_of_the_server
from vantage6.server.store.bucket import Settings
from vantage6.server.store.interface import PIECE, Missing, StoreError
from vantage6.server.store.layout import SEGMENT
from vantage6.server.store.s3 import S3Store

NAME = "0123456789abcdef" * 2
SIZE = 2 * SEGMENT + 12345


@pytest.fixture
def store(settings: Settings) -> S3Store:
    return S3Store(settings)


@pytest.fixture(scope="module")
def mortal() -> Iterator[Swift]:
    """A Swift that may be killed by whoever starts it again."""
    if openstack.obstacle():
        pytest.skip(openstack.obstacle())
    with openstack.serve() as swift:
        yield swift


def pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]


def put(store: S3Store, name: str, content: bytes) -> None:
    progress = store.append(name, store.begin(name, len(content)), 0, pieces(content), "writer")
    store.finish(name, progress.state, len(content))


def keys(swift: Swift, settings: Settings) -> list[str]:
    with buckets.client(swift) as looker:
        answer = looker.list_objects_v2(Bucket=settings.bucket)
    return [each["Key"] for each in answer.get("Contents", ())]


def test_what_lies_in_several_segments_comes_out(store: S3Store) -> None:
    content = secrets.token_bytes(SIZE)
    put(store, NAME, content)
    found = b"".join(store.read(NAME, SEGMENT - 5, SEGMENT + 10))
    assert found == content[SEGMENT - 5 : 2 * SEGMENT + 5]
    assert b"".join(store.read(NAME, 0, SIZE)) == content


def test_an_object_in_very_many_parts_comes_out(
    store: S3Store, swift: Swift, settings: Settings
) -> None:
    content = secrets.token_bytes(30)
    state = store.begin(NAME, 30)
    for offset in range(30):
        progress = store.append(NAME, state, offset, [content[offset : offset + 1]], "writer")
        state = progress.state
    store.finish(NAME, state, 30)
    assert b"".join(store.read(NAME, 0, 30)) == content
    # What was sent anew, and by whom it was overtaken, is gone.
    assert len(keys(swift, settings)) < 6


def test_what_was_sent_before_the_storage_went_away_counts(mortal: Swift) -> None:
    store = S3Store(buckets.fresh(mortal))
    content = secrets.token_bytes(SIZE)

    def until_it_is_killed() -> Iterator[bytes]:
        for index, piece in enumerate(pieces(content)):
            if index * PIECE == 2 * SEGMENT:
                # One segment has arrived for certain, as another one was sent after it.
                mortal.kill()
            yield piece

    state = store.begin(NAME, SIZE)
    with pytest.raises(StoreError, match=r"^The object storage does not answer$") as told:
        store.append(NAME, state, 0, until_it_is_killed(), "writer")
    progress = told.value.progress
    assert progress is not None
    assert progress.received in (SEGMENT, 2 * SEGMENT)
    mortal.start()
    rest = pieces(content[progress.received :])
    done = store.append(NAME, progress.state, progress.received, rest, "another")
    store.finish(NAME, done.state, SIZE)
    assert b"".join(store.read(NAME, 0, SIZE)) == content


def test_what_is_read_goes_on_where_the_connection_was_lost(mortal: Swift) -> None:
    store = S3Store(buckets.fresh(mortal))
    content = secrets.token_bytes(SIZE)
    put(store, NAME, content)
    reading = store.read(NAME, 0, SIZE)
    found = next(reading)
    mortal.kill()
    mortal.start()
    assert found + b"".join(reading) == content


def test_without_the_storage_every_call_says_so(mortal: Swift) -> None:
    store = S3Store(buckets.fresh(mortal))
    put(store, NAME, b"abc")
    mortal.kill()
    for call in (
        lambda: store.begin(secrets.token_hex(16), 1),
        lambda: list(store.read(NAME, 0, 3)),
        lambda: store.delete(NAME),
        lambda: list(store.names()),
    ):
        with pytest.raises(StoreError, match=r"^The object storage does not answer$"):
            call()
    mortal.start()
    assert b"".join(store.read(NAME, 0, 3)) == b"abc"


def test_a_deleted_object_leaves_nothing(store: S3Store, swift: Swift, settings: Settings) -> None:
    put(store, NAME, bytes(SIZE))
    store.append(NAME, store.begin(NAME, 9), 0, [b"of another"], "writer")
    assert keys(swift, settings)
    store.delete(NAME)
    assert keys(swift, settings) == []


def test_what_others_put_into_the_bucket_is_left_alone(
    store: S3Store, swift: Swift, settings: Settings
) -> None:
    with buckets.client(swift) as other:
        for key in ("notes.txt", f"{NAME}/notes", f"{NAME}.txt"):
            other.put_object(Bucket=settings.bucket, Key=key, Body=b"mine")
    assert list(store.names()) == []


def test_long_lists_come_page_by_page(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets_of_the_server, "_LISTED_TOGETHER", 2)
    monkeypatch.setattr(buckets_of_the_server, "_DELETED_TOGETHER", 2)
    names = {secrets.token_hex(16) for _ in range(3)}
    for name in names:
        put(store, name, b"abc")
        state = store.append(name, store.begin(name, 9), 0, [b"of another"], "writer").state
        store.append(name, state, 10, [b"of one more"], "writer")
    assert {found.name for found in store.names()} == names
    for name in names:
        store.delete(name)
    assert list(store.names()) == []


def test_a_segment_that_is_not_there_is_told_of(
    store: S3Store, swift: Swift, settings: Settings
) -> None:
    put(store, NAME, b"abc")
    (segment,) = (key for key in keys(swift, settings) if key != NAME)
    with buckets.client(swift) as other:
        other.delete_object(Bucket=settings.bucket, Key=segment)
    with pytest.raises(Missing):
        list(store.read(NAME, 0, 3))


def test_an_object_that_others_have_written_is_no_payload(
    store: S3Store, swift: Swift, settings: Settings
) -> None:
    with buckets.client(swift) as other:
        other.put_object(Bucket=settings.bucket, Key=NAME, Body=b"abc")
    with pytest.raises(StoreError, match="not what the server wrote"):
        list(store.read(NAME, 0, 1))


def test_a_bucket_must_be_there(settings: Settings) -> None:
    store = S3Store(replace(settings, bucket="another-one"))
    with pytest.raises(ConfigurationError, match="has no bucket another-one; make it first"):
        store.check()


def test_keys_must_fit(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    wrong = replace(settings, secret_key=secrets.token_urlsafe(20))
    with pytest.raises(ConfigurationError, match="does not let these keys use the bucket"):
        S3Store(wrong).check()
    with pytest.raises(StoreError, match=r"^The object storage refuses$"):
        S3Store(wrong).begin(NAME, 1)
    assert (
        f"refuses: {urlsplit(settings.endpoint).netloc} says SignatureDoesNotMatch" in caplog.text
    )


def test_a_storage_that_is_away_keeps_no_server_from_starting(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    S3Store(replace(settings, endpoint=f"http://{LOOPBACK}:{port}")).check()
    assert f"does not answer: {LOOPBACK}:{port}" in caplog.text
    assert "does not answer; large payloads have to wait" in caplog.text


def test_secrets_are_never_told(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    put(S3Store(settings), NAME, b"abc")
    with pytest.raises(StoreError) as told:
        S3Store(replace(settings, access_key="nobody")).begin(NAME, 1)
    for text in (caplog.text, str(told.value), repr(settings)):
        assert settings.secret_key not in text
        assert "Signature=" not in text


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path / "certificates", LOOPBACK)


@pytest.fixture
def by_tls(settings: Settings, certificate: Certificate, tmp_path: Path) -> Iterator[Settings]:
    """The same bucket behind TLS, of an authority that nobody knows."""
    port = free_port()
    config = f"""
    events {{}}
    http {{
        server {{
            listen {LOOPBACK}:{port} ssl;
            ssl_certificate {certificate.certificate};
            ssl_certificate_key {certificate.key};
            client_max_body_size 0;
            location / {{
                proxy_pass {settings.endpoint};
                proxy_set_header Host $http_host;
            }}
        }}
    }}
    """
    folder = tmp_path / "nginx"
    folder.mkdir()
    with nginx.running("\n".join(line.strip() for line in config.splitlines()), folder, port):
        yield replace(settings, endpoint=f"https://{LOOPBACK}:{port}")


def test_it_works_with_tls(by_tls: Settings, certificate: Certificate) -> None:
    store = S3Store(replace(by_tls, ca_file=str(certificate.authority)))
    store.check()
    put(store, NAME, b"abc")
    assert b"".join(store.read(NAME, 0, 3)) == b"abc"


def test_a_storage_whose_authority_is_unknown_gets_nothing(by_tls: Settings) -> None:
    with pytest.raises(StoreError, match=r"^The certificate of the object storage is not trusted$"):
        S3Store(by_tls).begin(NAME, 1)


BLOCK = {"endpoint": "https://s3.example.org", "bucket": "b", "region": "r"}


def test_keys_may_come_from_variables() -> None:
    variables = {"AWS_ACCESS_KEY_ID": "who", "AWS_SECRET_ACCESS_KEY": "secret"}
    assert Settings.read(BLOCK, variables).secret_key == "secret"
    named = {**BLOCK, "access_key": "another", "secret_key": "one"}
    assert Settings.read(named, variables).access_key == "another"


def test_keys_that_are_nowhere_are_asked_for() -> None:
    with pytest.raises(ConfigurationError, match="secret_key is missing, and the variable AWS_SEC"):
        Settings.read({**BLOCK, "access_key": "who"}, {})


def test_what_the_user_has_set_for_other_programs_does_not_matter(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[default]\nregion = elsewhere\nmax_attempts = nonsense\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "of-another-program")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    put(S3Store(settings), NAME, b"abc")


def test_the_library_may_be_missing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.config", None)
    with pytest.raises(ConfigurationError, match=r"pip install vantage6-server\[s3\]"):
        S3Store(settings).check()


def run(program: str, *arguments: str) -> str:
    """What a Python program of its own prints."""
    command = [sys.executable, "-W", "error", "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.stderr == ""
    return done.stdout.strip()


def test_without_a_bucket_the_library_is_not_loaded() -> None:
    program = "import sys, vantage6.server.app; print('botocore' in sys.modules)"
    assert run(program) == "False"


AS_WHEN_SERVING = """
from gevent import monkey
monkey.patch_all()
import os, sys, gevent
from vantage6.server.store.bucket import Settings
from vantage6.server.store.s3 import S3Store
name = sys.argv[1]
store = S3Store(Settings(*sys.argv[2:]))
"""
OTHERS = """
waiting = gevent.spawn(store.begin, name, 1)
turns = 0
while turns < 1000:
    turns += 1
    gevent.sleep(0)
print(turns, waiting.ready(), flush=True)
os._exit(0)
"""
MEMORY = """
import hashlib, resource
piece = os.urandom(2**20)

def grown(name, number):
    size = number * len(piece)
    progress = store.append(name, store.begin(name, size), 0, (piece for _ in range(number)), "w")
    store.finish(name, progress.state, size)
    came, expected = hashlib.sha256(), hashlib.sha256()
    for _ in range(number):
        expected.update(piece)
    for part in store.read(name, 0, size):
        came.update(part)
    assert came.digest() == expected.digest()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

before = grown(name, 64)
print(grown(name[::-1], 256) - before)
"""


def serving(program: str, settings: Settings) -> str:
    """What a program prints that works as the process does which serves."""
    given = (settings.endpoint, settings.bucket, settings.region)
    given += (settings.access_key, settings.secret_key)
    return run(AS_WHEN_SERVING + program, NAME, *given)


def test_others_go_on_while_the_storage_is_slow(settings: Settings) -> None:
    # It listens and never answers.
    with socket.create_server((LOOPBACK, 0)) as silent:
        endpoint = f"http://{LOOPBACK}:{silent.getsockname()[1]}"
        assert serving(OTHERS, replace(settings, endpoint=endpoint)) == "1000 False"


def test_memory_does_not_grow_with_the_payload(settings: Settings) -> None:
    assert int(serving(MEMORY, settings)) <= 16
