"""Signed inputs and results at a node, and a server that lies about them."""

import dataclasses

import pytest

from vantage6.common import authenticated, capability
from vantage6.common.authenticated import InputContext
from vantage6.common.correspondence import Answer, Correspondence
from vantage6.common.encryption import RSACryptor, is_envelope
from vantage6.common.envelope import is_authenticated_envelope
from vantage6.common.exceptions import Downgraded, EncryptionError, KeyChanged
from vantage6.common.partners import Partners, Shown
from vantage6.common.pins import Pins
from vantage6.common.sent import Sent
from vantage6.node import agreement as agreement_module
from vantage6.node.agreement import Agreement, Disagreement
from vantage6.node.envelopes import NotAccepted
from vantage6.node.journal import Journal
from vantage6.node.keyring import READS, envelopes_of, publish_capabilities
from vantage6.node.server import Identity

RESEARCHER, HOSPITAL, STRANGER = 1, 2, 3
COLLABORATION = 3
IMAGE = "docker.io/library/average:latest"
DATA = b'json.{"method": "mean"}'


@pytest.fixture(scope="module")
def cryptors(tmp_path_factory):
    """A key for each organization."""
    folder = tmp_path_factory.mktemp("keys")
    made = {}
    for id_ in (RESEARCHER, HOSPITAL, STRANGER):
        RSACryptor.create_new_rsa_key(folder / f"{id_}.pem")
        made[id_] = RSACryptor(folder / f"{id_}.pem")
    return made


class Hostile:
    """What a server shows of organizations; a test makes it lie."""

    address = "http://server.test/api"

    def __init__(self, cryptors):
        self.shown = {
            id_: Shown(id_, f"org{id_}", one.public_key_str, capability.make(one.private_key, id_))
            for id_, one in cryptors.items()
        }
        self.encrypted = True

    def lie(self, id_, **values):
        self.shown[id_] = dataclasses.replace(self.shown[id_], **values)

    def organization(self, organization_id, collaboration_id):
        return self.shown[organization_id]

    def set_capabilities(self, organization_id, statement):
        self.lie(organization_id, capabilities=statement)

    def is_encrypted(self, collaboration_id):
        return self.encrypted


@pytest.fixture
def server(cryptors):
    return Hostile(cryptors)


def who(id_, **values):
    return Identity(9, "node", id_, f"org{id_}", "", COLLABORATION, True, **values)


@pytest.fixture
def hospital(server, cryptors, tmp_path):
    """The envelopes of the hospital's node; made anew as at its start."""
    folder, journals = tmp_path / "hospital", []
    folder.mkdir()

    def start(takes="both"):
        journals.append(Journal(folder / "journal.sqlite"))
        own = cryptors[HOSPITAL]
        return envelopes_of(who(HOSPITAL), server, own, takes, folder, journals[-1])

    yield start
    for journal in journals:
        journal.close()


@pytest.fixture
def node(hospital):
    return hospital()


@pytest.fixture
def researcher(server, cryptors, tmp_path):
    """The letters of the organization that asks."""
    pins = Pins(tmp_path / "pins.json", server.address, "confirm {}")
    partners = Partners(
        pins,
        (RESEARCHER, "asking"),
        cryptors[RESEARCHER],
        lambda id_: server.organization(id_, COLLABORATION),
        "go back {}",
    )
    sent = Sent(tmp_path / "sent.sqlite", server.address)
    made = Correspondence(RESEARCHER, cryptors[RESEARCHER], partners, sent)
    made.pins = pins
    return made


@pytest.fixture
def ask(researcher, assignment):
    """Send an input to the hospital, and have the server make a run of it."""

    def ask(recipient=HOSPITAL, **values):
        text = researcher.seal_input(recipient, COLLABORATION, "average", DATA)
        run = assignment(**{"input": text, "initiator": RESEARCHER, **values})
        researcher.note_sent(run.task_id, [(recipient, text)])
        return run

    return ask


def answer_of(run, text, **values):
    shown = Answer(run.result_id, run.task_id, HOSPITAL, text, run.input)
    return dataclasses.replace(shown, **values)


def open_input(node, run):
    """What the start of a run does."""
    node._journal.begin(run)
    return node.open_input(run)


def test_input_and_result_are_signed_and_bound_to_each_other(node, researcher, ask):
    run = ask()
    assert is_authenticated_envelope(run.input)
    letter = open_input(node, run)
    assert letter.data == DATA
    assert (letter.origin.organization_id, letter.origin.proven) == (RESEARCHER, True)
    assert letter.origin.organization_name == "org1"
    result = node.seal_result(run, b"json.1").decode()
    assert is_authenticated_envelope(result)
    assert researcher.open_result(answer_of(run, result)) == b"json.1"


def test_a_classic_input_gets_a_classic_result(node, researcher, cryptors, assignment):
    text = cryptors[STRANGER].encrypt_bytes_to_str(DATA, cryptors[HOSPITAL].public_key_str)
    run = assignment(input=text, initiator=RESEARCHER)
    letter = open_input(node, run)
    assert (letter.data, letter.origin.proven) == (DATA, False)
    result = node.seal_result(run, b"json.1").decode()
    assert is_envelope(result)
    assert not is_authenticated_envelope(result)
    assert researcher.open_result(answer_of(run, result)) == b"json.1"


def test_whoever_says_nothing_gets_the_classic_envelope(node, server, ask):
    server.lie(HOSPITAL, capabilities="")
    assert not is_authenticated_envelope(ask().input)


@pytest.mark.parametrize(
    ("takes", "capable", "reason"),
    [("authenticated", False, "signed inputs only"), ("classic", True, "classic envelope only")],
)
def test_what_the_owner_does_not_take_is_refused(hospital, server, ask, takes, capable, reason):
    if not capable:
        server.lie(HOSPITAL, capabilities="")
    with pytest.raises(NotAccepted, match=reason):
        open_input(hospital(takes), ask())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"image": "evil"}, "its image differs"),
        ({"initiator": STRANGER}, "signed with another key"),
        ({"initiator": HOSPITAL}, "signed with another key"),
    ],
)
def test_an_input_is_good_for_what_its_sender_meant(node, ask, change, reason):
    with pytest.raises(NotAccepted, match=reason):
        open_input(node, ask(**change))


def test_an_input_for_another_collaboration(node, cryptors, assignment):
    sender = cryptors[RESEARCHER]
    context = InputContext(COLLABORATION + 1, IMAGE, RESEARCHER, HOSPITAL)
    theirs = cryptors[HOSPITAL].private_key.public_key()
    text = authenticated.seal(DATA, context, sender.private_key, theirs)
    with pytest.raises(NotAccepted, match="its collaboration_id differs"):
        open_input(node, assignment(input=text, initiator=RESEARCHER))


def test_an_input_for_another_organization(node, ask):
    with pytest.raises(NotAccepted, match="made for another key"):
        open_input(node, ask(recipient=STRANGER))


def test_an_input_is_good_for_one_run_also_after_a_restart(hospital, ask):
    run = ask()
    first = hospital()
    open_input(first, run)
    open_input(first, run)  # the same run, begun anew
    replayed = dataclasses.replace(run, result_id=99, task_id=98)
    for node in (first, hospital()):
        with pytest.raises(NotAccepted, match="used for another run already"):
            open_input(node, replayed)


def test_after_a_restart_the_server_cannot_have_the_result_sealed_for_somebody_else(
    hospital, researcher, cryptors, ask
):
    run = ask()
    open_input(hospital(), run)
    accomplice = cryptors[STRANGER]
    context = InputContext(COLLABORATION, IMAGE, STRANGER, HOSPITAL)
    theirs = cryptors[HOSPITAL].private_key.public_key()
    signed = authenticated.seal(DATA, context, accomplice.private_key, theirs)
    classic = accomplice.encrypt_bytes_to_str(DATA, cryptors[HOSPITAL].public_key_str)
    for text in (signed, classic):
        other = dataclasses.replace(run, input=text, initiator=STRANGER)
        result = hospital().seal_result(other, b"json.1").decode()
        with pytest.raises(EncryptionError):
            accomplice.decrypt_str_to_bytes(result)
        assert researcher.open_result(answer_of(run, result)) == b"json.1"


def test_a_changed_key_is_refused_by_name_until_it_is_confirmed(
    node, server, cryptors, ask, tmp_path
):
    open_input(node, ask())
    server.lie(RESEARCHER, public_key=cryptors[STRANGER].public_key_str)
    run = ask()
    told = r"'org1' \(organization 1\).*vnode-local keys confirm 1"
    for act in (
        lambda run: open_input(node, run),
        node.check_reader,
        lambda run: node.seal_result(run, b""),
    ):
        with pytest.raises(KeyChanged, match=told):
            act(run)
    Pins(tmp_path / "hospital" / "pins.json", server.address, "").confirm(RESEARCHER)
    node.check_reader(run)


def test_pins_that_cannot_be_read_stop_runs_and_tell_no_path(node, ask, tmp_path):
    open_input(node, ask())
    (tmp_path / "hospital" / "pins.json").write_text("{")
    with pytest.raises(EncryptionError, match="its owner has to look") as refusal:
        open_input(node, ask())
    assert str(tmp_path) not in str(refusal.value)


def test_a_result_waits_for_a_server_that_is_away_without_the_input(hospital, researcher, ask):
    run = ask()
    open_input(hospital(), run)
    result = hospital().seal_result(dataclasses.replace(run, input=""), b"json.1").decode()
    assert researcher.open_result(answer_of(run, result)) == b"json.1"


# What the sender finds out


def test_a_promise_cannot_be_taken_back_by_the_server(server, cryptors, researcher, ask):
    old = capability.make(cryptors[HOSPITAL].private_key, HOSPITAL, ["classic"], issued_at=1)
    ask()
    for text in ("", "forged", old):
        server.lie(HOSPITAL, capabilities=text)
        with pytest.raises(Downgraded, match="go back 2"):
            ask()
    researcher.pins.forget_capabilities(HOSPITAL)
    assert not is_authenticated_envelope(ask().input)


def test_an_organization_itself_can_take_its_promise_back(server, cryptors, ask):
    ask()
    later = capability.verify(
        server.shown[HOSPITAL].capabilities, cryptors[HOSPITAL].private_key.public_key(), HOSPITAL
    )
    statement = capability.make(
        cryptors[HOSPITAL].private_key, HOSPITAL, ["classic"], later.issued_at + 1
    )
    server.lie(HOSPITAL, capabilities=statement)
    assert not is_authenticated_envelope(ask().input)


@pytest.mark.parametrize("forger", [STRANGER, RESEARCHER])
def test_a_promise_counts_only_with_the_pinned_key(server, cryptors, ask, forger):
    forged = capability.make(cryptors[forger].private_key, HOSPITAL)
    server.lie(HOSPITAL, capabilities=forged)
    assert not is_authenticated_envelope(ask().input)


@pytest.fixture
def done(node, ask):
    """Two runs of two tasks with their results."""
    runs = [ask(), ask()]
    for run in runs:
        open_input(node, run)
    return [(run, node.seal_result(run, b"json.1").decode()) for run in runs]


def test_results_that_are_swapped_are_found_out(researcher, done):
    (first, _), (_, other) = done
    with pytest.raises(EncryptionError, match="is not of this run: its task_id differs"):
        researcher.open_result(answer_of(first, other))


def test_a_result_of_another_run_of_the_task(researcher, done):
    (run, result), _ = done
    with pytest.raises(EncryptionError, match="its result_id differs"):
        researcher.open_result(answer_of(run, result, result_id=99))


def test_a_result_that_is_said_to_be_of_another_organization(researcher, done):
    (run, result), _ = done
    with pytest.raises(EncryptionError, match="signed with another key"):
        researcher.open_result(answer_of(run, result, organization_id=STRANGER))


def test_a_result_that_was_changed(researcher, done):
    (run, result), _ = done
    head, header, body, signature = result.split("$")
    changed = "$".join([head, header, ("A" if body[20] != "A" else "B").join(
        [body[:20], body[21:]]), signature])  # fmt: skip
    with pytest.raises(EncryptionError, match="cannot be trusted"):
        researcher.open_result(answer_of(run, changed))


@pytest.mark.parametrize("is_known", [True, False])
def test_a_result_in_the_classic_envelope_is_no_answer_to_a_signed_input(
    researcher, server, cryptors, done, is_known
):
    """Anybody can make one: it takes no more than the public key of the recipient."""
    (run, _), _ = done
    forged = cryptors[STRANGER].encrypt_bytes_to_str(b"json.2", cryptors[RESEARCHER].public_key_str)
    if is_known:
        shown = answer_of(run, forged, input="")
    else:
        forget(researcher)
        shown = answer_of(run, forged)
    with pytest.raises(EncryptionError, match="not in an authenticated envelope"):
        researcher.open_result(shown)


def forget(researcher):
    researcher._sent._path.unlink()


def test_a_result_in_no_envelope_at_all(researcher, done):
    (run, _), _ = done
    forget(researcher)
    with pytest.raises(EncryptionError, match="is not encrypted"):
        researcher.open_result(answer_of(run, "anNvbi4x", input=""))


def test_another_process_of_the_organization_takes_the_input_from_the_server(researcher, done):
    (run, result), (other, _) = done
    forget(researcher)
    assert researcher.open_result(answer_of(run, result)) == b"json.1"
    with pytest.raises(EncryptionError, match="its input_digest differs"):
        researcher.open_result(answer_of(run, result, input=other.input))
    with pytest.raises(EncryptionError, match="does not show"):
        researcher.open_result(answer_of(run, result, input=""))


def test_a_result_answers_the_input_that_was_sent(node, researcher, ask):
    """The server gave the node the input of another task, with the ids of this one."""
    first, second = ask(), ask()
    crossed = dataclasses.replace(first, input=second.input)
    open_input(node, crossed)
    result = node.seal_result(crossed, b"json.1").decode()
    with pytest.raises(EncryptionError, match="its input_digest differs"):
        researcher.open_result(answer_of(first, result))


# What this node says of itself


@pytest.mark.parametrize(
    ("takes", "said", "published"),
    [
        ("both", "", ("classic", "authenticated")),
        ("authenticated", "", ("authenticated",)),
        ("classic", "", None),
        ("classic", "both", ("classic",)),
        ("both", "classic", ("classic", "authenticated")),
        ("both", "both", None),
        ("both", "forged", ("classic", "authenticated")),
    ],
)
def test_what_a_node_says_it_reads(cryptors, takes, said, published):
    own = cryptors[HOSPITAL]
    before = "forged"
    if said != "forged":
        before = capability.make(own.private_key, HOSPITAL, READS[said]) if said else ""
    told = []

    class Listening:
        def set_capabilities(self, organization_id, statement):
            told.append(capability.verify(statement, own.private_key.public_key(), organization_id))

    publish_capabilities(who(HOSPITAL, capabilities=before), own, Listening(), READS[takes])
    assert [one.envelopes for one in told] == ([published] if published else [])
    if told and said not in ("", "forged"):
        public_key = own.private_key.public_key()
        assert told[0].issued_at > capability.verify(before, public_key, HOSPITAL).issued_at


# Node and collaboration


def test_a_collaboration_that_changes_its_mind_is_noticed():
    now, answers = [0.0], [True, False]
    agreement = Agreement(True, lambda: answers.pop(0), lambda: now[0])
    agreement.check()
    agreement.check()  # not asked again so soon
    now[0] = agreement_module._SECONDS
    with pytest.raises(Disagreement, match="is not encrypted, but this node does"):
        agreement.check()


def test_nothing_leaves_in_plain_once_the_collaboration_is_encrypted(server, assignment, tmp_path):
    from vantage6.common.encryption import DummyCryptor

    server.encrypted = True
    node = envelopes_of(who(HOSPITAL), server, DummyCryptor(), "both", tmp_path, journal=None)
    for act in (
        node.check,
        lambda: node.check_reader(assignment()),
        lambda: node.seal_result(assignment(), b""),
        lambda: node.seal_input(RESEARCHER, "average", b""),
    ):
        with pytest.raises(Disagreement, match="is encrypted, but this node does not"):
            act()
