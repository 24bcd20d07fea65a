"""Large payloads in tasks and results: used, shown, sent as bytes, and deleted."""

import hashlib
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from clients import LoggedIn, Login, bearer
from factories import AUTHENTICATED, BINARY, ENVELOPE, IMAGE, Factory
from flask import Flask
from sending import announce, send, upload
from sqlalchemy.orm import Session

from vantage6.server.model import Blob, Result, Upload
from vantage6.server.service import blob as blobs

# More than what a piece of the store holds, and no multiple of three.
LARGE = "QUJD" * 2**19 + "QQ=="
DIGEST = hashlib.sha256(LARGE.encode()).hexdigest()
STORED = {"size": len(LARGE), "digest": DIGEST, "form": "text"}


class Study:
    """Two hospitals with their nodes, and a researcher of the first."""

    def __init__(self, make: Factory, login_as: Login, *, encrypted: bool) -> None:
        self.first, self.second = make.organization(), make.organization()
        self.collaboration = make.collaboration(self.first, self.second, encrypted=encrypted)
        self.nodes = [
            login_as(make.node(hospital, self.collaboration))
            for hospital in (self.first, self.second)
        ]
        self.researcher = login_as(make.user(self.first, role="Researcher"))

    def order(self, *parts: dict[str, Any]) -> Any:
        """The answer to the order of a task."""
        body = {
            "collaboration_id": self.collaboration.id,
            "image": IMAGE,
            "organizations": list(parts),
        }
        return self.researcher.post("/api/task", json=body)

    def run(self, text: str) -> int:
        """A run with an input; its id."""
        task = self.order({"id": self.first.id, "input": text}).json
        id_: int = task["results"][0]["id"]
        return id_


@pytest.fixture
def study(make: Factory, login_as: Login) -> Study:
    return Study(make, login_as, encrypted=False)


@pytest.fixture
def secret(make: Factory, login_as: Login) -> Study:
    return Study(make, login_as, encrypted=True)


@pytest.fixture
def clean(app: Flask) -> Any:
    """Does the duty that deletes what is not used; gives the names of the files that are left."""
    payloads, database = app.extensions["payloads"], app.extensions["database"]

    def clean() -> list[str]:
        blobs.delete_unused(database, payloads.store)
        return sorted(found.name for found in payloads.store.names())

    return clean


def test_an_upload_is_the_input_of_several_organizations(study: Study, session: Session) -> None:
    id_ = upload(study.researcher, study.collaboration.id, LARGE.encode())
    parts = [{"id": each.id, "input_upload": id_} for each in (study.first, study.second)]
    task = study.order(*parts).json
    shown = study.researcher.get(f"/api/task/{task['id']}?include=results").json["results"]
    assert [each["input"] for each in shown] == [LARGE] * 2
    assert [each["input_stored"] for each in shown] == [STORED] * 2
    assert (session.query(Upload).count(), session.query(Blob).count()) == (0, 1)
    assert study.order(*parts).status_code == 403


def test_an_upload_is_the_result_of_a_run(study: Study, session: Session) -> None:
    run, node = study.run("aW4="), study.nodes[0]
    id_ = upload(node, study.collaboration.id, LARGE.encode())
    answer = node.patch(f"/api/result/{run}", json={"status": "completed", "result_upload": id_})
    assert answer.status_code == 200, answer.text
    shown = study.researcher.get(f"/api/result/{run}").json
    assert (shown["result"], shown["result_stored"]) == (LARGE, STORED)
    assert shown["input"] == "aW4="
    assert shown["input_stored"] is None
    assert session.get_one(Result, run).result is None


def test_a_report_that_is_repeated_is_told_that_the_run_has_finished(study: Study) -> None:
    """The upload is gone by then, which is not what its node has to know."""
    run, node = study.run("aW4="), study.nodes[0]
    id_ = upload(node, study.collaboration.id, LARGE.encode())
    report = {"status": "completed", "result_upload": id_}
    answers = [node.patch(f"/api/result/{run}", json=report) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 400]
    assert "finished already" in answers[1].json["msg"]


def test_a_classic_report_with_an_upload_is_of_a_run_that_did_well(study: Study) -> None:
    run, node = study.run("aW4="), study.nodes[0]
    id_ = upload(node, study.collaboration.id, LARGE.encode())
    report = {"finished_at": "2026-01-01T00:00:00", "result_upload": id_}
    assert node.patch(f"/api/result/{run}", json=report).json["status"] == "completed"


def test_a_container_uses_its_own_uploads(
    study: Study, make: Factory, login_as: Login, session: Session
) -> None:
    result = make.task(study.collaboration, study.first).results[0]
    container = login_as(result)
    id_ = upload(container, study.collaboration.id, LARGE.encode())
    body = {
        "collaboration_id": study.collaboration.id,
        "image": IMAGE,
        "organizations": [{"id": study.second.id, "input_upload": id_}],
    }
    assert study.researcher.post("/api/task", json=body).status_code == 403
    other = login_as(make.task(study.collaboration, study.first).results[0])
    assert other.post("/api/task", json=body).status_code == 403
    assert container.post("/api/task", json=body).status_code == 201


def test_an_upload_that_is_not_complete_is_not_used(study: Study) -> None:
    id_ = announce(study.researcher, study.collaboration.id, len(LARGE))
    send(study.researcher, id_, 0, LARGE[:100].encode())
    answer = study.order({"id": study.first.id, "input_upload": id_})
    assert answer.status_code == 400
    assert f"100 of {len(LARGE)} bytes are there" in answer.json["msg"]


def test_an_upload_is_for_its_collaboration_only(
    study: Study, make: Factory, login_as: Login
) -> None:
    other = make.collaboration(study.first)
    id_ = upload(study.researcher, other.id, b"QUJD")
    answer = study.order({"id": study.first.id, "input_upload": id_})
    assert answer.status_code == 400
    assert "another collaboration" in answer.json["msg"]


def test_a_payload_comes_in_one_way_only(study: Study) -> None:
    id_ = upload(study.researcher, study.collaboration.id, b"QUJD")
    answer = study.order({"id": study.first.id, "input_upload": id_, "input": "QUJD"})
    assert answer.status_code == 400
    assert "either `input` or `input_upload`" in answer.json["msg"]


@pytest.mark.parametrize(
    ("content", "form"),
    [(BINARY, "binary"), (AUTHENTICATED.encode(), "text"), (ENVELOPE.encode(), "text")],
    ids=["binary", "authenticated", "classic"],
)
def test_a_stored_envelope_is_shown_as_text(secret: Study, content: bytes, form: str) -> None:
    id_ = upload(secret.researcher, secret.collaboration.id, content, form)
    task = secret.order({"id": secret.first.id, "input_upload": id_}).json
    (shown,) = secret.nodes[0].get(f"/api/result?task_id={task['id']}").json
    assert shown["input"] == (ENVELOPE if content == ENVELOPE.encode() else AUTHENTICATED)
    assert shown["input_stored"]["form"] == form
    sent = secret.nodes[0].get(f"/api/result/{shown['id']}/input")
    assert sent.data == content


def test_what_is_stored_has_to_be_encrypted_too(secret: Study, study: Study) -> None:
    plain = upload(secret.researcher, secret.collaboration.id, b"QUJD")
    answer = secret.order({"id": secret.first.id, "input_upload": plain})
    assert (answer.status_code, "encrypted payloads only" in answer.json["msg"]) == (400, True)
    envelope = upload(study.researcher, study.collaboration.id, ENVELOPE.encode())
    answer = study.order({"id": study.first.id, "input_upload": envelope})
    assert (answer.status_code, "no encrypted payloads" in answer.json["msg"]) == (400, True)
    run, node = study.run("aW4="), study.nodes[0]
    envelope = upload(node, study.collaboration.id, ENVELOPE.encode())
    assert node.patch(f"/api/result/{run}", json={"result_upload": envelope}).status_code == 400


def test_what_comes_within_json_is_stored_by_the_server(study: Study, session: Session) -> None:
    run = study.run(LARGE)
    assert session.get_one(Result, run).input is None
    node = study.nodes[0]
    node.patch(f"/api/result/{run}", json={"status": "completed", "result": LARGE})
    shown = study.researcher.get(f"/api/result/{run}").json
    assert (shown["input"], shown["result"]) == (LARGE, LARGE)
    assert shown["input_stored"] == shown["result_stored"] == STORED
    assert session.query(Blob).count() == 1


def test_what_is_no_base64_stays_in_the_database(study: Study, session: Session) -> None:
    text = json.dumps({"method": "x" * 2**21})
    run = study.run(text)
    assert session.get_one(Result, run).input == text
    assert study.researcher.get(f"/api/result/{run}").json["input"] == text


def test_small_payloads_stay_in_the_database(study: Study, session: Session, clean: Any) -> None:
    run = study.run("QUJD")
    assert session.get_one(Result, run).input == "QUJD"
    assert clean() == []


def test_what_was_refused_leaves_nothing_in_the_store(secret: Study, clean: Any) -> None:
    answer = secret.order({"id": secret.first.id, "input": LARGE})
    assert answer.status_code == 400
    assert clean() == []
    strangers = secret.nodes[1].patch("/api/result/999", json={"result": LARGE})
    assert (strangers.status_code, clean()) == (403, [])


def test_the_same_order_twice_is_stored_once(study: Study, clean: Any) -> None:
    body = {
        "collaboration_id": study.collaboration.id,
        "image": IMAGE,
        "organizations": [{"id": study.first.id, "input": LARGE}],
    }
    headers = {**bearer(study.researcher.token), "Idempotency-Key": "once"}
    answers = [study.researcher.post("/api/task", json=body, headers=headers) for _ in range(2)]
    assert answers[0].json["id"] == answers[1].json["id"]
    assert len(clean()) == 1


@pytest.mark.parametrize("path", ["result/{}?inline={}", "result?task_id=1&inline={1}"])
def test_only_small_payloads_are_inline_where_that_is_asked_for(
    study: Study, path: str, session: Session
) -> None:
    large, small = study.run(LARGE), "QUJD"
    study.nodes[0].patch(f"/api/result/{large}", json={"status": "completed", "result": small})

    def shown(limit: int) -> tuple[Any, Any]:
        found = study.researcher.get("/api/" + path.format(large, limit)).json
        found = found[0] if isinstance(found, list) else found
        return found["input"], found["result"]

    assert shown(2**30) == (LARGE, small)
    assert shown(1000) == (None, small)
    assert shown(3) == (None, None)


def test_a_large_text_in_the_database_is_told_of_where_it_is_not_inline(study: Study) -> None:
    run = study.run("QUJDQUJD")
    shown = study.researcher.get(f"/api/result/{run}?inline=4").json
    digest = hashlib.sha256(b"QUJDQUJD").hexdigest()
    assert shown["input"] is None
    assert shown["input_stored"] == {"size": 8, "digest": digest, "form": "text"}
    assert study.researcher.get(f"/api/result/{run}/input").data == b"QUJDQUJD"


def test_past_the_limit_of_the_server_nothing_is_inline(study: Study, app: Flask) -> None:
    app.extensions["payloads"].inline_limit = len(LARGE) - 1
    run = study.run(LARGE)
    for path in (f"result/{run}", f"result/{run}?inline={2**30}"):
        shown = study.researcher.get(f"/api/{path}").json
        assert (shown["input"], shown["input_stored"]) == (None, STORED)
    assert study.researcher.get(f"/api/result/{run}/input").data == LARGE.encode()


@pytest.mark.parametrize("limit", ["", "-1", "x", "1e3", "9" * 30])
def test_a_limit_that_is_no_number_is_refused(study: Study, limit: str) -> None:
    assert study.researcher.get(f"/api/result?inline={limit}").status_code == 400


def test_a_process_that_takes_runs_gets_small_inputs_at_once(study: Study) -> None:
    run = study.run(LARGE)
    taken = study.nodes[0].post("/api/claim/take", json={"claim": "a", "limit": 5}).json
    assert [(each["id"], each["input"], each["input_stored"]) for each in taken] == [
        (run, None, STORED)
    ]
    assert study.nodes[0].get(f"/api/result/{run}/input").data == LARGE.encode()


def get(client: LoggedIn, path: str, **headers: str) -> Any:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(f"/api/{path}", headers={**bearer(client.token), **given})


@pytest.fixture(params=["stored", "in the database"])
def sent(request: pytest.FixtureRequest, study: Study) -> tuple[LoggedIn, str, bytes]:
    """Who may fetch an input, where it is, and what it is."""
    text = LARGE if request.param == "stored" else LARGE[:1000]
    return study.researcher, f"result/{study.run(text)}/input", text.encode()


def test_a_payload_is_sent_with_its_digest(sent: tuple[LoggedIn, str, bytes]) -> None:
    client, path, content = sent
    answer = get(client, path)
    assert (answer.status_code, answer.data) == (200, content)
    digest = hashlib.sha256(content)
    assert answer.headers["ETag"] == f'"{digest.hexdigest()}"'
    expected = f"sha-256=:{b64encode(digest.digest()).decode()}:"
    assert answer.headers["Repr-Digest"] == expected
    assert answer.headers["Content-Length"] == str(len(content))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    head = client.head(f"/api/{path}")
    assert head.headers["Content-Length"] == str(len(content))


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=10-99", slice(10, 100)),
        ("bytes=500-", slice(500, None)),
        ("bytes=-5", slice(-5, None)),
        ("bytes=1-999999999999", slice(1, None)),
    ],
)
def test_a_part_of_a_payload_is_sent(
    sent: tuple[LoggedIn, str, bytes], asked: str, part: slice
) -> None:
    client, path, content = sent
    answer = get(client, path, Range=asked)
    assert (answer.status_code, answer.data) == (206, content[part])
    start, stop, _ = part.indices(len(content))
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(content)}"


@pytest.mark.parametrize(
    "asked",
    ["bytes=0-1,5-6", f"bytes={','.join(['0-'] * 1000)}", "lines=1-2", "bytes=x", "bytes=5-2"],
    ids=["two", "many", "lines", "letters", "backwards"],
)
def test_a_range_that_is_not_one_gets_all(sent: tuple[LoggedIn, str, bytes], asked: str) -> None:
    client, path, content = sent
    answer = get(client, path, Range=asked)
    assert (answer.status_code, answer.data) == (200, content)


def test_a_range_beyond_the_end_is_refused(sent: tuple[LoggedIn, str, bytes]) -> None:
    client, path, content = sent
    answer = get(client, path, Range=f"bytes={len(content)}-")
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(content)}"


def test_the_rest_is_sent_of_the_same_content_only(sent: tuple[LoggedIn, str, bytes]) -> None:
    client, path, content = sent
    etag = get(client, path).headers["ETag"]
    assert get(client, path, Range="bytes=5-", If_Range=etag).status_code == 206
    assert get(client, path, Range="bytes=5-", If_Range='"other"').data == content
    assert get(client, path, If_None_Match=etag).status_code == 304


def test_a_payload_that_is_not_there_is_not_found(study: Study) -> None:
    run = study.run("QUJD")
    assert study.researcher.get(f"/api/result/{run}/output").status_code == 404


def test_nobody_else_gets_a_payload(study: Study, make: Factory, login_as: Login) -> None:
    run = study.run(LARGE)
    stranger = login_as(make.user(role="Researcher"))
    answers = [stranger.get(f"/api/result/{id_}/input") for id_ in (run, 99999)]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].json == answers[1].json


def test_who_knows_a_digest_has_nothing_of_the_content(
    study: Study, make: Factory, login_as: Login
) -> None:
    """There is no way to name content that is there already: it has to be sent."""
    study.run(LARGE)
    stranger = make.user(role="Researcher")
    other = make.collaboration(stranger.organization)
    id_ = announce(login_as(stranger), other.id, len(LARGE))
    shown = login_as(stranger).get(f"/api/upload/{id_}").json
    assert (shown["received"], shown["complete"], shown["digest"]) == (0, False, None)


def test_a_payload_goes_with_the_last_that_refers_to_it(
    study: Study, clean: Any, root: Any, login_as: Login, session: Session
) -> None:
    first, second = study.run(LARGE), study.run(LARGE)
    assert len(clean()) == 1
    tasks = [session.get_one(Result, id_).task_id for id_ in (first, second)]
    session.rollback()
    assert study.researcher.delete(f"/api/task/{tasks[0]}").status_code == 200
    assert len(clean()) == 1
    assert study.researcher.get(f"/api/result/{second}/input").data == LARGE.encode()
    assert study.researcher.delete(f"/api/task/{tasks[1]}").status_code == 200
    assert clean() == []
    # And the same content again is there again.
    third = study.run(LARGE)
    assert study.researcher.get(f"/api/result/{third}").json["input"] == LARGE


def test_a_payload_goes_with_its_collaboration(
    study: Study, clean: Any, root: Any, login_as: Login
) -> None:
    study.run(LARGE)
    half = announce(study.researcher, study.collaboration.id, 100)
    answer = login_as(root).delete(f"/api/collaboration/{study.collaboration.id}")
    assert answer.status_code == 200, answer.text
    assert len(clean()) <= 1
    assert study.researcher.get(f"/api/upload/{half}").status_code == 403


def test_a_payload_of_which_the_file_is_gone_is_told_of(
    study: Study, config: dict[str, Any]
) -> None:
    run = study.run(LARGE)
    for file in Path(config["payloads"]["folder"]).glob("*/*"):
        file.unlink()
    assert study.researcher.get(f"/api/result/{run}/input").status_code == 410
    assert study.researcher.get(f"/api/result/{run}?inline=1000").status_code == 200
