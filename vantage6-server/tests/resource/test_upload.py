"""Uploads: who may send what, in which pieces, and what is kept of it."""

import hashlib
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from clients import LoggedIn, Login
from factories import AUTHENTICATED, BINARY, ENVELOPE, Factory
from flask import Flask
from sending import announce, send, send_summed, shown, upload, with_sums
from sqlalchemy.orm import Session

from vantage6.server.model import Blob, Collaboration, Organization, Upload
from vantage6.server.model.base import now
from vantage6.server.service import arrival
from vantage6.server.service import blob as blobs
from vantage6.server.service import upload as service

CONTENT = b"QUJD" * 1000


@pytest.fixture
def study(make: Factory, own: Organization, partner: Organization) -> Collaboration:
    return make.collaboration(own, partner)


@pytest.fixture
def secret_study(make: Factory, own: Organization) -> Collaboration:
    return make.collaboration(own, encrypted=True)


@pytest.fixture
def researcher(make: Factory, own: Organization, login_as: Login) -> LoggedIn:
    return login_as(make.user(own, role="Researcher"))


@pytest.fixture
def files(config: dict[str, Any]) -> Any:
    """The names of the files in the payload store."""
    folder = Path(config["payloads"]["folder"])
    return lambda: sorted(path.name for path in folder.glob("*/*"))


def test_a_payload_arrives_in_pieces(researcher: LoggedIn, study: Collaboration) -> None:
    id_ = announce(researcher, study.id, len(CONTENT))
    first = send(researcher, id_, 0, CONTENT[:1500]).json
    assert (first["received"], first["complete"], first["digest"]) == (1500, False, None)
    assert researcher.get(f"/api/upload/{id_}").json == first
    last = send(researcher, id_, 1500, CONTENT[1500:]).json
    assert (last["received"], last["complete"]) == (len(CONTENT), True)
    assert researcher.get(f"/api/upload/{id_}").json == last


def test_the_digest_is_that_of_the_whole(researcher: LoggedIn, study: Collaboration) -> None:
    upload(researcher, study.id, CONTENT)


def test_another_process_may_go_on(
    researcher: LoggedIn, study: Collaboration, app: Flask, config: dict[str, Any]
) -> None:
    """It has not seen the first piece, and works the digest out all the same."""
    id_ = announce(researcher, study.id, len(CONTENT))
    send(researcher, id_, 0, CONTENT[:1500])
    app.extensions["payloads"] = type(app.extensions["payloads"])(config["payloads"], Path())
    whole = upload(researcher, study.id, CONTENT)
    last = send(researcher, id_, 1500, CONTENT[1500:]).json
    assert last["digest"] == researcher.get(f"/api/upload/{whole}").json["digest"]


@pytest.mark.parametrize("offset", [0, 999, 1001, 4000, 10**18])
def test_a_piece_that_begins_elsewhere_is_refused_with_the_true_place(
    researcher: LoggedIn, study: Collaboration, offset: int
) -> None:
    id_ = announce(researcher, study.id, len(CONTENT))
    send(researcher, id_, 0, CONTENT[:1000])
    answer = send(researcher, id_, offset, b"QUJD")
    assert answer.status_code == 409
    assert answer.json["received"] == 1000
    assert answer.headers["Upload-Offset"] == "1000"
    assert send(researcher, id_, 1000, CONTENT[1000:]).json["complete"]


def test_more_than_was_announced_is_refused(researcher: LoggedIn, study: Collaboration) -> None:
    id_ = announce(researcher, study.id, 100)
    answer = send(researcher, id_, 0, b"A" * 101)
    assert answer.status_code == 400
    assert "Only 100 bytes of this upload are missing" in answer.json["msg"]
    assert researcher.get(f"/api/upload/{id_}").json["received"] == 0


LARGE = b"QUJD" * (5 * 2**18 // 2) + b"REVG" * 100


@pytest.mark.parametrize("content", [CONTENT, LARGE[: 2**20], LARGE], ids=len)
def test_a_body_with_its_sums_is_taken(
    researcher: LoggedIn, study: Collaboration, content: bytes
) -> None:
    id_ = announce(researcher, study.id, len(content))
    answer = send_summed(researcher, id_, 0, with_sums(content)).json
    assert answer == {**shown(id_, study.id, content, "text"), "received": len(content)}


def test_sums_begin_anew_with_each_request(
    researcher: LoggedIn, study: Collaboration, app: Flask, config: dict[str, Any]
) -> None:
    """So another process can go on, which has not seen the first one."""
    id_ = announce(researcher, study.id, len(LARGE))
    assert send_summed(researcher, id_, 0, with_sums(LARGE[:1000])).json["received"] == 1000
    answer = send_summed(researcher, id_, 1000, with_sums(LARGE[1000:2000])).json
    assert answer["received"] == 2000
    app.extensions["payloads"] = type(app.extensions["payloads"])(config["payloads"], Path())
    last = send_summed(researcher, id_, 2000, with_sums(LARGE[2000:])).json
    assert last["digest"] == hashlib.sha256(LARGE).hexdigest()


@pytest.mark.parametrize(
    ("place", "kept"),
    [(0, 0), (2**20 - 1, 0), (2**20 + 5, 0), (2**20 + 32, 2**20), (-1, 2**21)],
    ids=["first byte", "last of a block", "sum", "first of the next", "last sum"],
)
def test_a_damaged_byte_is_found_and_what_came_before_its_block_is_kept(
    researcher: LoggedIn, study: Collaboration, place: int, kept: int
) -> None:
    id_ = announce(researcher, study.id, len(LARGE))
    damaged = bytearray(with_sums(LARGE))
    damaged[place] ^= 2
    answer = send_summed(researcher, id_, 0, bytes(damaged))
    assert answer.status_code == 400
    assert f"from {kept} on do not fit their sum" in answer.json["msg"]
    assert researcher.get(f"/api/upload/{id_}").json["received"] == kept
    last = send_summed(researcher, id_, kept, with_sums(LARGE[kept:])).json
    assert last["digest"] == hashlib.sha256(LARGE).hexdigest()


def test_of_a_block_that_is_cut_off_nothing_is_kept(
    researcher: LoggedIn, study: Collaboration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether it is right."""
    id_ = announce(researcher, study.id, len(LARGE))
    with monkeypatch.context() as patch:
        patch.setattr("vantage6.server.resource.upload.body_length", lambda: len(with_sums(LARGE)))
        answer = send_summed(researcher, id_, 0, with_sums(LARGE)[:-1])
    assert (answer.json["received"], answer.json["complete"]) == (2**21, False)
    assert send_summed(researcher, id_, 2**21, with_sums(LARGE[2**21 :])).json["complete"]


@pytest.mark.parametrize("length", [1, 32, 2**20 + 33])
def test_a_body_that_is_not_as_long_as_one_with_sums_is_refused(
    researcher: LoggedIn, study: Collaboration, length: int
) -> None:
    id_ = announce(researcher, study.id, len(LARGE))
    answer = send_summed(researcher, id_, 0, b"A" * length)
    assert answer.status_code == 400
    assert "as long as one with sums" in answer.json["msg"]


@pytest.mark.parametrize("kind", ["", "md5", "SHA-256", "sha-256, sha-512"])
def test_sums_of_another_kind_are_refused(
    researcher: LoggedIn, study: Collaboration, kind: str
) -> None:
    id_ = announce(researcher, study.id, len(CONTENT))
    answer = send(researcher, id_, 0, CONTENT, **{"Upload-Sums": kind})
    assert answer.status_code == 400
    assert "Upload-Sums" in answer.json["msg"]


@pytest.mark.parametrize("offset", ["", "-1", "1.5", "zero", "0x1"], ids=repr)
def test_an_offset_that_cannot_be_read_is_refused(
    researcher: LoggedIn, study: Collaboration, offset: str
) -> None:
    id_ = announce(researcher, study.id, 10)
    headers = {"Upload-Offset": offset.encode().decode("latin-1")}
    assert send(researcher, id_, 0, b"QUJD", **headers).status_code == 400


def test_another_kind_of_body_is_refused(researcher: LoggedIn, study: Collaboration) -> None:
    id_ = announce(researcher, study.id, 10)
    answer = researcher.patch(f"/api/upload/{id_}", json={})
    assert answer.status_code == 400
    assert "application/offset+octet-stream" in answer.json["msg"]


@pytest.mark.parametrize(
    "fault",
    [{"size": 0}, {"size": -1}, {"size": "10"}, {"form": "json"}, {"name": "../../x"}],
    ids=str,
)
def test_an_upload_of_a_strange_kind_is_refused(
    researcher: LoggedIn, study: Collaboration, fault: dict[str, Any]
) -> None:
    body = {"collaboration_id": study.id, "size": 10, "form": "text", **fault}
    assert researcher.post("/api/upload", json=body).status_code == 400


def test_an_upload_that_is_too_large_is_refused(
    researcher: LoggedIn, study: Collaboration, app: Flask
) -> None:
    app.extensions["payloads"].largest = 1000
    body = {"collaboration_id": study.id, "size": 1001, "form": "text"}
    answer = researcher.post("/api/upload", json=body)
    assert (answer.status_code, answer.json["msg"]) == (
        413,
        "A payload may have 1000 bytes at most",
    )


def test_an_upload_for_which_there_is_no_space_is_refused(
    researcher: LoggedIn, study: Collaboration, app: Flask, files: Any, session: Session
) -> None:
    app.extensions["payloads"].largest = 2**61
    body = {"collaboration_id": study.id, "size": 2**61, "form": "text"}
    answer = researcher.post("/api/upload", json=body)
    assert answer.status_code == 507
    assert "no space" in answer.json["msg"]
    assert (files(), session.query(Upload).count()) == ([], 0)


def test_nobody_has_very_many_uploads(
    researcher: LoggedIn, study: Collaboration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_OPEN", 2)
    announce(researcher, study.id, 10)
    second = announce(researcher, study.id, 10)
    body = {"collaboration_id": study.id, "size": 10, "form": "text"}
    refused = researcher.post("/api/upload", json=body)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
    researcher.delete(f"/api/upload/{second}")
    assert researcher.post("/api/upload", json=body).status_code == 201


def test_what_containers_announce_does_not_keep_the_results_of_their_node_back(
    make: Factory,
    study: Collaboration,
    own: Organization,
    login_as: Login,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "MOST_OPEN", 2)
    node = login_as(make.node(own, study))
    hostile, other = (login_as(make.task(study, own).results[0]) for _ in range(2))
    body = {"collaboration_id": study.id, "size": 10, "form": "text"}
    answers = [hostile.post("/api/upload", json=body).status_code for _ in range(3)]
    assert answers == [201, 201, 429]
    assert [one.post("/api/upload", json=body).status_code for one in (node, other)] == [201, 201]


@pytest.fixture
def small_limit(app: Flask) -> None:
    app.extensions["payloads"].unused_limit = 100


def sized(collaboration: Collaboration, size: int) -> dict[str, Any]:
    return {"collaboration_id": collaboration.id, "size": size, "form": "text"}


@pytest.mark.usefixtures("small_limit")
def test_an_organization_has_a_bound_for_what_nothing_uses(
    make: Factory, own: Organization, study: Collaboration, login_as: Login, files: Any
) -> None:
    one, colleague = (login_as(make.user(own, role="Researcher")) for _ in range(2))
    first = announce(one, study.id, 60)
    kept = files()
    refused = colleague.post("/api/upload", json=sized(study, 41))
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
    for word in ("60 bytes", "41", "more than the 100", "Use or delete some"):
        assert word in refused.json["msg"]
    assert files() == kept
    assert colleague.post("/api/upload", json=sized(study, 40)).status_code == 201
    one.delete(f"/api/upload/{first}")
    assert colleague.post("/api/upload", json=sized(study, 60)).status_code == 201


@pytest.mark.usefixtures("small_limit")
def test_what_is_complete_counts_until_a_task_uses_it(
    make: Factory, researcher: LoggedIn, study: Collaboration, own: Organization
) -> None:
    make.node(own, study)
    whole = upload(researcher, study.id, b"QUJD" * 25)
    assert researcher.post("/api/upload", json=sized(study, 1)).status_code == 429
    task = {
        "collaboration_id": study.id,
        "image": "registry.example/algorithm:1",
        "organizations": [{"id": own.id, "input_upload": whole}],
    }
    assert researcher.post("/api/task", json=task).status_code == 201
    assert researcher.post("/api/upload", json=sized(study, 100)).status_code == 201


@pytest.mark.usefixtures("small_limit")
def test_users_nodes_and_algorithms_of_an_organization_keep_nobody_else_back(
    make: Factory,
    study: Collaboration,
    own: Organization,
    partner: Organization,
    researcher: LoggedIn,
    login_as: Login,
) -> None:
    node, elsewhere = (login_as(make.node(one, study)) for one in (own, partner))
    container, other = (login_as(make.task(study, own).results[0]) for _ in range(2))
    for caller in (researcher, node, elsewhere, container):
        assert caller.post("/api/upload", json=sized(study, 100)).status_code == 201
    for caller, word in ((researcher, "users"), (node, "nodes"), (other, "algorithms")):
        refused = caller.post("/api/upload", json=sized(study, 1))
        assert refused.status_code == 429
        assert word in refused.json["msg"]


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_the_upload_of_a_colleague_is_as_if_it_were_not_there(
    researcher: LoggedIn,
    study: Collaboration,
    root: Any,
    login_as: Login,
    make: Factory,
    method: str,
) -> None:
    id_ = announce(researcher, study.id, len(CONTENT))
    colleague = make.user(study.organizations[0], role="Root")
    for other in (login_as(root), login_as(colleague)):
        call = getattr(other, method)
        theirs, nobodys = call(f"/api/upload/{id_}"), call("/api/upload/999999")
        assert theirs.status_code == nobodys.status_code == 403
        assert theirs.json == nobodys.json


def test_containers_of_a_node_have_uploads_of_their_own(
    make: Factory, study: Collaboration, own: Organization, login_as: Login
) -> None:
    node = login_as(make.node(own, study))
    first, second = (login_as(make.task(study, own).results[0]) for _ in range(2))
    id_ = announce(first, study.id, 10)
    assert first.get(f"/api/upload/{id_}").status_code == 200
    assert {other.get(f"/api/upload/{id_}").status_code for other in (second, node)} == {403}
    of_node = announce(node, study.id, 10)
    assert {other.get(f"/api/upload/{of_node}").status_code for other in (first, second)} == {403}


@pytest.mark.parametrize("content", [b"with spaces", b"\xff\xfe", b"null\x00", b'"quote"'], ids=str)
def test_a_text_holds_nothing_but_base64(
    researcher: LoggedIn, study: Collaboration, content: bytes
) -> None:
    id_ = announce(researcher, study.id, len(content))
    answer = send(researcher, id_, 0, content)
    assert answer.status_code == 400
    assert "neither base64 nor `$`" in answer.json["msg"]
    assert researcher.get(f"/api/upload/{id_}").json["received"] == 0


@pytest.mark.parametrize("content", [BINARY[:-1], BINARY + b"x", b"x" * 500], ids=len)
def test_a_binary_upload_is_an_envelope(
    researcher: LoggedIn, secret_study: Collaboration, content: bytes
) -> None:
    id_ = announce(researcher, secret_study.id, len(content), "binary")
    answer = send(researcher, id_, 0, content)
    assert answer.status_code == 400
    assert "not an envelope" in answer.json["msg"]
    assert not researcher.get(f"/api/upload/{id_}").json["complete"]


@pytest.mark.parametrize(
    ("content", "form", "encrypted", "text_size"),
    [
        (BINARY, "binary", True, len(AUTHENTICATED)),
        (AUTHENTICATED.encode(), "text", True, len(AUTHENTICATED)),
        (ENVELOPE.encode(), "text", True, len(ENVELOPE)),
        (CONTENT, "text", False, len(CONTENT)),
    ],
    ids=["binary", "authenticated", "classic", "plain"],
)
def test_what_a_blob_is_is_known_without_looking_into_it_again(
    researcher: LoggedIn,
    secret_study: Collaboration,
    session: Session,
    content: bytes,
    form: str,
    encrypted: bool,
    text_size: int,
) -> None:
    upload(researcher, secret_study.id, content, form)
    blob = session.query(Blob).one()
    assert (blob.encrypted, blob.text_size, blob.form) == (encrypted, text_size, form)


def test_envelopes_are_not_for_a_collaboration_without_encryption(
    researcher: LoggedIn, study: Collaboration
) -> None:
    body = {"collaboration_id": study.id, "size": 1000, "form": "binary"}
    assert researcher.post("/api/upload", json=body).status_code == 400


def test_the_same_content_is_stored_once(
    researcher: LoggedIn, study: Collaboration, session: Session, files: Any
) -> None:
    ids = [upload(researcher, study.id, CONTENT) for _ in range(3)]
    (blob,) = session.query(Blob).all()
    assert files() == [blob.name]
    assert {session.get(Upload, id_).blob_id for id_ in ids} == {blob.id}  # type: ignore[union-attr]


def test_an_upload_that_is_given_up_leaves_nothing(
    researcher: LoggedIn, study: Collaboration, session: Session, files: Any, app: Flask
) -> None:
    half, whole = announce(researcher, study.id, 100), upload(researcher, study.id, CONTENT)
    send(researcher, half, 0, b"A" * 50)
    for id_ in (half, whole):
        assert researcher.delete(f"/api/upload/{id_}").status_code == 200
    blobs.delete_unused(app.extensions["database"], app.extensions["payloads"].store)
    assert (files(), session.query(Upload).count(), session.query(Blob).count()) == ([], 0, 0)


def test_an_upload_is_forgotten_when_nobody_goes_on_with_it(
    researcher: LoggedIn, study: Collaboration, session: Session, files: Any, app: Flask
) -> None:
    old, fresh = (announce(researcher, study.id, 100) for _ in range(2))
    session.get_one(Upload, old).touched_at = now() - service.LIFE - timedelta(minutes=1)
    kept = session.get_one(Upload, fresh).name
    session.commit()
    expire = partial(service.expire, app.extensions["database"], app.extensions["payloads"].store)
    assert (expire(), expire()) == (1, 0)
    assert files() == [f"{kept}.part"]
    assert researcher.get(f"/api/upload/{fresh}").status_code == 200
    assert researcher.get(f"/api/upload/{old}").status_code == 403


def test_an_object_that_no_row_knows_is_deleted_after_a_day(
    researcher: LoggedIn,
    study: Collaboration,
    app: Flask,
    files: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = app.extensions["payloads"].store
    whole, half = upload(researcher, study.id, CONTENT), announce(researcher, study.id, 100)
    known = files()
    store.begin("f" * 32, 10)
    duty = partial(blobs.delete_orphans, app.extensions["database"], store)
    assert duty() == 0
    monkeypatch.setattr(blobs, "_ORPHAN_AGE", timedelta(days=-1))
    assert duty() == 1
    assert files() == known
    assert {researcher.get(f"/api/upload/{id_}").status_code for id_ in (whole, half)} == {200}


def test_a_request_that_was_overtaken_does_not_count(
    researcher: LoggedIn, study: Collaboration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sender gave it up for lost, and another one took its place."""
    id_ = announce(researcher, study.id, len(CONTENT))
    append = arrival.Arrival._append
    overtaken: list[int] = []

    def overtake(self: arrival.Arrival) -> Any:
        progress = append(self)
        if not overtaken:
            overtaken.append(id_)
            assert send(researcher, id_, 0, CONTENT[:100]).json["received"] == 100
        return progress

    monkeypatch.setattr(arrival.Arrival, "_append", overtake)
    assert send(researcher, id_, 0, b"A" * 1000).status_code == 409
    assert researcher.get(f"/api/upload/{id_}").json["received"] == 100
    last = send(researcher, id_, 100, CONTENT[100:]).json
    assert (
        last["digest"]
        == researcher.get(f"/api/upload/{upload(researcher, study.id, CONTENT)}").json["digest"]
    )


def test_an_empty_piece_completes_what_is_all_there(
    researcher: LoggedIn, study: Collaboration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server was killed when it had received all, and not yet finished."""
    id_ = announce(researcher, study.id, len(CONTENT))
    with monkeypatch.context() as patch:
        patch.setattr(arrival.Arrival, "finish", lambda self: None)
        assert not send(researcher, id_, 0, CONTENT).json["complete"]
    assert send(researcher, id_, len(CONTENT), b"").json["complete"]
    assert send(researcher, id_, len(CONTENT), b"").json["complete"]


def test_what_is_complete_is_not_read_again(
    researcher: LoggedIn, study: Collaboration, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one small request could make the server read 100 GB, and again, and again."""
    id_ = upload(researcher, study.id, CONTENT)
    # The same content: its own object is gone by now.
    again = upload(researcher, study.id, CONTENT)
    reads: list[str] = []
    store = app.extensions["payloads"].store
    monkeypatch.setattr(store, "read", lambda name, *_: reads.append(name) or iter(()))
    answers = [send(researcher, each, len(CONTENT), b"") for each in (id_, again)]
    assert [(one.status_code, one.json["complete"]) for one in answers] == [(200, True)] * 2
    assert reads == []
