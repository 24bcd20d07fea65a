"""How the R client reaches servers, and what it takes from one that lies or is of old."""

import json
import ssl
import threading
from collections import defaultdict
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from development import r
from development.certificates import make_certificate
from development.console import SetupError
from vantage6.common.text import bytes_to_base64s

LOOPBACK = "127.0.0.1"
LOGGED_IN = {"access_token": "first", "refresh_token": "renewal", "user_url": "/api/user/1"}
#: What every server here knows; tests put their own in its place.
USUAL = {
    "POST /api/token/user": [(200, {**LOGGED_IN, "refresh_url": "/api/token/refresh"})],
    "GET /api/user/1": [(200, {"id": 1, "organization": {"id": 2}})],
    "GET /api/organization/2": [(200, {"id": 2, "name": "north", "public_key": ""})],
    "GET /api/collaboration/1": [
        (200, {"id": 1, "encrypted": False, "organizations": [{"id": 2}]})
    ],
}
PROGRAM = """
arguments <- commandArgs(trailingOnly = TRUE)
client <- vtg::Client$new(arguments[[1]], api_path = "/api", pins.file = tempfile(),
                          log_level = "off"OPTIONS)
client$authenticate("ada", "a secret"LOGIN)
"""
ASK = """
client$setCollaborationId(1)
client$set.task.image("average")
cat(client$call("partial")[[1]])
"""


class Peer:
    """A server that answers as a test says, and remembers what it was asked."""

    def __init__(self, answers):
        self.seen = []
        self._answers = {key: list(value) for key, value in {**USUAL, **answers}.items()}
        self._asked = defaultdict(int)

    def answer(self, request, headers, body):
        self.seen.append((request, headers, json.loads(body) if body else None))
        known = self._answers.get(request.partition("?")[0], [(404, {"msg": "not known"})])
        at = min(self._asked[request], len(known) - 1)
        self._asked[request] += 1
        return known[at]

    def asked(self, request):
        return [entry for entry in self.seen if entry[0].partition("?")[0] == request]


@contextmanager
def serving(answers=(), certificate=None):
    peer = Peer(dict(answers))

    class Handler(BaseHTTPRequestHandler):
        def _handle(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = f"{self.command} {self.path}"
            status, content, *more = peer.answer(request, dict(self.headers), body)
            data = json.dumps(content).encode()
            self.send_response(status)
            for name, value in more:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = _handle  # noqa: N815

        def log_message(self, *_):
            """The test says what went wrong."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    scheme = "http"
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    peer.url = f"{scheme}://{LOOPBACK}:{server.server_port}"
    try:
        yield peer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def run_client(library):
    def run_client(url, program="", options="", login=""):
        text = PROGRAM.replace("OPTIONS", options).replace("LOGIN", login)
        return r.run(text + program, url, packages=[library])

    return run_client


def test_a_private_authority_is_trusted_where_it_is_named_only(run_client, tmp_path):
    certificate = make_certificate(tmp_path / "tls", LOOPBACK)
    with serving(certificate=certificate) as peer:
        run_client(peer.url, options=f", ca = '{certificate.authority}'")
        with pytest.raises(SetupError, match="certificate"):
            run_client(peer.url)


def test_calls_go_through_the_proxy_of_the_house(run_client):
    """To a proxy, the whole address is the path."""
    host = "http://server.example"
    answers = {key.replace(" ", f" {host}", 1): value for key, value in USUAL.items()}
    with serving(answers) as proxy:
        run_client(host, options=f", proxy = '{proxy.url}'")
        assert len(proxy.asked(f"POST {host}/api/token/user")) == 1


def test_a_second_factor_is_sent_where_there_is_one(run_client):
    with serving() as peer:
        run_client(peer.url, login=", mfa_code = '012345'")
        ((_, _, body),) = peer.asked("POST /api/token/user")
        assert body == {"username": "ada", "password": "a secret", "mfa_code": "012345"}


def test_a_second_factor_that_is_not_set_up_is_an_error_with_its_address(run_client):
    answers = {"POST /api/token/user": [(200, {"qr_uri": "otpauth://x"})]}
    with serving(answers) as peer, pytest.raises(SetupError, match="second factor first"):
        run_client(peer.url)


def test_the_words_of_the_server_are_those_of_the_error(run_client):
    answers = {"POST /api/token/user": [(401, {"msg": "Wrong password!"})]}
    with serving(answers) as peer, pytest.raises(SetupError, match="Wrong password!"):
        run_client(peer.url)


def test_a_token_that_has_run_out_is_renewed_once(run_client):
    answers = {
        "GET /api/version": [(401, {"msg": "expired"}), (200, {"version": "3"})],
        "POST /api/token/refresh": [(200, {"access_token": "second", "refresh_token": "next"})],
    }
    with serving(answers) as peer:
        assert run_client(peer.url, "cat(client$getVersion())") == "3"
        ((_, renewal, _),) = peer.asked("POST /api/token/refresh")
        assert renewal["Authorization"] == "Bearer renewal"
        tokens = [headers["Authorization"] for _, headers, _ in peer.asked("GET /api/version")]
        assert tokens == ["Bearer first", "Bearer second"]


def test_a_redirect_takes_no_token_along(run_client):
    with serving() as elsewhere:
        moved = [(302, {}, ("Location", f"{elsewhere.url}/api/version"))]
        answers = {"GET /api/version": moved}
        with serving(answers) as peer, pytest.raises(SetupError, match="status 302"):
            run_client(peer.url, "client$getVersion()")
        assert elsewhere.seen == []


def test_a_server_of_the_classic_line_is_asked_again(run_client):
    """It knows neither `wait` nor states."""
    run = {"id": 9, "task": 7, "organization": 2, "input": "", "log": "", "finished_at": "now"}
    answers = {
        "POST /api/task": [(201, {"id": 7})],
        "GET /api/task/7": [
            (200, {"id": 7, "complete": False}),
            (200, {"id": 7, "complete": True}),
        ],
        "GET /api/task/7/result": [(200, [{**run, "result": bytes_to_base64s(b"json.42")}])],
    }
    with serving(answers) as peer:
        assert run_client(peer.url, ASK) == "42"
        assert len(peer.asked("GET /api/task/7")) == 2


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (b"\x80\x04]\x94.", "pickle of Python"),
        (b"rds.X\n", "R's own format, which can run programs"),
        (b"X\n\x00\x00\x00\x03\x00\x04\x02\x02", "R's own format, which can run programs"),
        (b"json.{", "not valid JSON"),
    ],
    ids=["pickle", "rds", "bare rds", "broken"],
)
def test_a_result_that_runs_code_or_is_broken_is_refused(result, words, run_client):
    run = {"id": 9, "task": 7, "organization": 2, "status": "completed"}
    answers = {
        "POST /api/task": [(201, {"id": 7})],
        "GET /api/task/7": [(200, {"id": 7, "complete": True})],
        "GET /api/task/7/result": [(200, [{**run, "result": bytes_to_base64s(result)}])],
    }
    with serving(answers) as peer, pytest.raises(SetupError, match=words):
        run_client(peer.url, ASK)


def test_a_server_cannot_replace_the_public_key_of_our_organization(run_client, tmp_path):
    """It would get what is sealed for us; a key of ours is sent only where there is none."""
    from vantage6.common.encryption import RSACryptor

    for name in ("own", "other"):
        RSACryptor.create_new_rsa_key(tmp_path / name)
    own, other = (RSACryptor(tmp_path / name).public_key_str for name in ("own", "other"))
    program = f"client$setupEncryption('{tmp_path / 'own'}')"
    organization = {"id": 2, "name": "north"}
    answers = {"PATCH /api/organization/2": [(200, {})]}
    with serving(answers) as peer:
        run_client(peer.url, program)
        ((_, _, body),) = peer.asked("PATCH /api/organization/2")
        assert RSACryptor(tmp_path / "own").verify_public_key(body["public_key"])
    for shown in (own, other):
        known = {"GET /api/organization/2": [(200, {**organization, "public_key": shown})]}
        with serving({**answers, **known}) as peer:
            if shown == other:
                with pytest.raises(SetupError, match="another public key of your organization"):
                    run_client(peer.url, program)
            else:
                run_client(peer.url, program)
            assert peer.asked("PATCH /api/organization/2") == []
