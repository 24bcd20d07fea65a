"""One test per published hole that concerns keys and envelopes at a node, named after its entry.

A: advisories, B: weaknesses of the source. What there is to each stands in `test_envelopes.py`
and, for a whole federation, in `tests/end_to_end/test_hostile_server.py`.
"""
# ruff: noqa: N802

import dataclasses
import re

import pytest

from vantage6.common import authenticated, capability
from vantage6.common.authenticated import InputContext
from vantage6.common.client.download import Stored
from vantage6.common.encryption import RSACryptor
from vantage6.common.envelope import is_authenticated_envelope
from vantage6.common.image import canonical
from vantage6.common.task_status import TaskStatus
from vantage6.common.text import bytes_to_base64s
from vantage6.node.assignment import Report
from vantage6.node.policy import Policy
from vantage6.node.state import Collect, Deliver, Refused, Rejected, Start, Started
from vantage6.node.timeline import Timeline

OURS, THEIRS = 7, 8
COLLABORATION = 3
POLICY = Policy(images=(re.compile("average"),), organizations=(THEIRS,))
DATA = b'json.{"method": "mean"}'


@pytest.fixture(scope="module")
def partner(tmp_path_factory):
    path = tmp_path_factory.mktemp("partner") / "key.pem"
    RSACryptor.create_new_rsa_key(path)
    return RSACryptor(path)


@pytest.fixture(autouse=True)
def opened(runner):
    """An engine that is there."""
    runner.open(lambda message: None)


@pytest.fixture
def signed(server, assignment, key, partner):
    """Runs whose inputs a partner has signed."""
    server.public_keys |= {OURS: key.public_key_str, THEIRS: partner.public_key_str}

    def make(**values):
        context = InputContext(COLLABORATION, canonical("average"), THEIRS, OURS)
        theirs = key.private_key.public_key()
        text = authenticated.seal(DATA, context, partner.private_key, theirs)
        return server.add(assignment(**{"input": text, "initiator": THEIRS, **values}))

    return make


def _start(work, assignment):
    event = work.perform(Start(), assignment, Timeline())
    if isinstance(event, Refused):
        assert event.report.status in (TaskStatus.NOT_ALLOWED, TaskStatus.START_FAILED)
        return event.report.log
    assert isinstance(event, Started)
    return "started"


def test_anchor_B_server_can_substitute_a_public_key(make_work, server, signed, key, tmp_path):
    work = make_work(key)
    assert _start(work, signed()) == "started"
    RSACryptor.create_new_rsa_key(tmp_path / "evil.pem")
    server.public_keys[THEIRS] = RSACryptor(tmp_path / "evil.pem").public_key_str
    told = _start(work, signed())
    assert "organization 8" in told
    assert "vnode-local keys confirm 8" in told


@pytest.mark.parametrize(
    ("is_signed", "claims", "told"),
    [
        (True, THEIRS, "started"),
        (True, OURS, "signed with another key"),
        (False, THEIRS, "nothing proves"),
    ],
)
def test_anchor_B_task_on_whose_authority(
    make_work, assignment, server, signed, key, partner, is_signed, claims, told
):
    """A node that allows one organization takes its signature, and not the server's word."""
    work = make_work(key, policy=POLICY)
    run = signed(initiator=claims)
    if not is_signed:
        text = partner.encrypt_bytes_to_str(DATA, key.public_key_str)
        run = server.add(assignment(input=text, initiator=claims))
    assert told in _start(work, run)


def test_anchor_B_task_on_whose_authority_a_name_is_nobodys_alone(
    make_work, assignment, server, signed, key, partner, tmp_path
):
    """The server shows a new organization, with a key of its own, under a trusted name."""
    work = make_work(key, policy=dataclasses.replace(POLICY, organizations=("north",)))
    RSACryptor.create_new_rsa_key(tmp_path / "evil.pem")
    evil = RSACryptor(tmp_path / "evil.pem")
    server.public_keys |= {9: evil.public_key_str}
    context = InputContext(COLLABORATION, canonical("average"), 9, OURS)
    text = authenticated.seal(DATA, context, evil.private_key, key.private_key.public_key())
    forged = server.add(assignment(input=text, initiator=9))
    # `north` is the name of our own organization, too.
    assert "does not allow tasks of organization 9" in _start(work, forged)


def test_cve_2024_22193_A12_plain_input_in_an_encrypted_collaboration(
    make_work, server, assignment, key, runner
):
    server.public_keys[OURS] = key.public_key_str
    run = server.add(assignment(input=bytes_to_base64s(DATA)))
    assert "cannot be decrypted" in _start(make_work(key), run)
    assert runner.containers == {}


def test_cve_2024_22193_A12_results_of_a_collaboration_that_is_encrypted_now(
    make_work, server, assignment
):
    work = make_work()
    run = server.add(assignment())
    assert _start(work, run) == "started"
    work.perform(Collect(), run, Timeline())
    server.encrypted = True
    work._delivery._envelopes._agreement._until = 0.0
    report = Report(TaskStatus.COMPLETED, "", "2026-01-01T00:00:00.000000", has_output=True)
    event = work.perform(Deliver(report), run, Timeline())
    assert isinstance(event, Rejected)
    assert "is encrypted, but this node does not" in event.report.log
    assert server.reports == {}


def test_anchor_B_classic_envelope_is_no_way_around_the_signed_one(
    make_work, server, assignment, key, partner
):
    server.public_keys |= {OURS: key.public_key_str, THEIRS: partner.public_key_str}
    text = partner.encrypt_bytes_to_str(DATA, key.public_key_str)
    run = server.add(assignment(input=text, initiator=THEIRS))
    assert "takes signed inputs only" in _start(make_work(key, takes="authenticated"), run)


def test_anchor_B_signed_inputs_cannot_be_replayed_or_moved(make_work, signed, key):
    work = make_work(key)
    run = signed()
    assert _start(work, run) == "started"
    again = dataclasses.replace(run, result_id=99)
    assert "used for another run already" in _start(work, again)
    elsewhere = signed(image="absent")
    assert "its image differs" in _start(work, elsewhere)


def test_anchor_B_promises_of_others_cannot_be_made_by_the_server(make_work, server, key, partner):
    """Nor taken back: the subtask is not sent at all then."""
    server.public_keys |= {OURS: key.public_key_str, THEIRS: partner.public_key_str}
    envelopes = make_work(key)._delivery._envelopes
    server.capabilities[THEIRS] = capability.make(key.private_key, THEIRS)
    assert not is_authenticated_envelope(envelopes.seal_input(THEIRS, "average", DATA))
    server.capabilities[THEIRS] = capability.make(partner.private_key, THEIRS)
    assert is_authenticated_envelope(envelopes.seal_input(THEIRS, "average", DATA))
    del server.capabilities[THEIRS]
    with pytest.raises(ValueError, match="keys confirm 8 --classic"):
        envelopes.seal_input(THEIRS, "average", DATA)


def test_anchor_B_a_later_promise_counts_not_an_older_one(make_work, server, key, partner):
    """Who said last that it reads classic envelopes only is sent nothing else."""
    server.public_keys |= {OURS: key.public_key_str, THEIRS: partner.public_key_str}
    work = make_work(key)
    partners = work._delivery._envelopes._partners
    early = capability.make(partner.private_key, THEIRS, issued_at=100)
    late = capability.make(partner.private_key, THEIRS, [capability.CLASSIC], issued_at=200)
    for shown, reads in ((early, True), (late, False), (early, False), ("", False)):
        server.capabilities[THEIRS] = shown
        assert partners.reads_authenticated(THEIRS) is reads


@pytest.mark.parametrize("takes", ["both", "authenticated"])
def test_anchor_B_without_a_journal_no_result_leaves_in_the_classic_envelope(
    make_work, server, signed, key, journal, takes
):
    work, run = make_work(key, takes=takes), signed()
    assert _start(work, run) == "started"
    work.perform(Collect(), run, Timeline())
    journal.forget(run.result_id)
    report = Report(TaskStatus.COMPLETED, "", "2026-01-01T00:00:00.000000", has_output=True)
    event = work.perform(Deliver(report), run, Timeline())
    assert isinstance(event, Rejected)
    assert "does not know any more how the input came" in event.report.log
    assert server.reports == {}


@pytest.mark.parametrize("form", ["text", "binary"])
def test_anchor_B_nor_does_one_whose_input_is_in_the_payload_store(
    make_work, server, signed, key, journal, form
):
    """The server keeps a signed input as text, too, where it came so."""
    work, run = make_work(key), signed()
    assert _start(work, run) == "started"
    work.perform(Collect(), run, Timeline())
    journal.forget(run.result_id)
    run = dataclasses.replace(run, input="", stored_input=Stored(10**7, "0" * 64, form))
    report = Report(TaskStatus.COMPLETED, "", "2026-01-01T00:00:00.000000", has_output=True)
    event = work.perform(Deliver(report), run, Timeline())
    assert isinstance(event, Rejected)
    assert "does not know any more how the input came" in event.report.log
    assert server.reports == {}
