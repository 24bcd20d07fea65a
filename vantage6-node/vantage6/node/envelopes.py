"""How payloads come into this node and leave it: in plain, or in one of two envelopes.

A result goes back in the envelope in which its input came. In an authenticated one the input
proves who sent it, and for which image, organization and collaboration; it is good for one run.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Protocol

from vantage6.common import authenticated
from vantage6.common.authenticated import (
    Context,
    InputContext,
    ResultContext,
    is_authenticated_envelope,
    require,
)
from vantage6.common.client.large import Letters
from vantage6.common.correspondence import Answer, Correspondence, Outgoing
from vantage6.common.encryption import DummyCryptor, RSACryptor, is_envelope
from vantage6.common.envelope import base64
from vantage6.common.envelope.streams import Writable
from vantage6.common.exceptions import ContextMismatch, EncryptionError, KeyChanged
from vantage6.common.image import canonical
from vantage6.common.letter import Letter as StoredLetter
from vantage6.common.partners import Partners
from vantage6.common.sealed import BINARY, ClassicPayload, PlainPayload, SignedPayload
from vantage6.common.sealed import Sealed as SealedPayload
from vantage6.common.sources import Source
from vantage6.node.agreement import Agreement
from vantage6.node.assignment import Assignment
from vantage6.node.journal import Journal
from vantage6.node.policy import Origin

# What the journal keeps of a signed input: its context, and its digest.
_ASKED = "asked"


class NotAccepted(EncryptionError):
    """An input that this node could read but does not take; the text says why."""


@dataclass(frozen=True)
class Letter:
    """An input that was opened.

    Attributes
    ----------
    data : bytes
        As the algorithm will read it.
    origin : Origin
        Who sent it.
    """

    data: bytes
    origin: Origin


class Envelopes(Protocol):
    """How payloads come in and leave.

    Attributes
    ----------
    encrypts : bool
    """

    encrypts: bool

    def check(self) -> None:
        """Raise Disagreement unless the collaboration is still of the same mind."""
        ...

    def open_input(self, assignment: Assignment) -> Letter:
        """The input of a run, and who sent it.

        Raises
        ------
        NotAccepted, KeyChanged
            When it is not taken.
        EncryptionError
            When it cannot be opened.
        """
        ...

    def open_stored_input(
        self, assignment: Assignment, letter: StoredLetter, target: Writable
    ) -> Origin:
        """The input of a run out of the payload store, and who sent it; raises as `open_input`.

        The target is not to be used after an error.
        """
        ...

    def check_reader(self, assignment: Assignment) -> None:
        """Make sure, before anything is computed, that its result could be sent.

        Raises
        ------
        Disagreement
            When the collaboration is not of the same mind about encryption any more.
        KeyChanged, EncryptionError
            When whoever asked could not read it.
        """
        ...

    def seal_result(self, assignment: Assignment, output: bytes) -> Letters:
        """The letters of a result as it goes over the wire.

        Raises
        ------
        EncryptionError
            When it cannot be sent.
        """
        ...

    def sealed_result(
        self,
        assignment: Assignment,
        source: Source,
        state: Mapping[str, str] | None,
        keep: Callable[[dict[str, str]], None],
    ) -> SealedPayload:
        """The same for the payload store, sealed while it is sent.

        Parameters
        ----------
        assignment : Assignment
        source : Source
        state : mapping, optional
            That of an earlier attempt, to make the same bytes again.
        keep : callable
            Told another state before anything that depends on it leaves.

        Raises
        ------
        EncryptionError
            When it cannot be sent, or what was sealed before was for another occasion.
        """
        ...

    def seal_input(self, organization_id: int, image: str, data: bytes) -> str:
        """The input of a subtask for one organization; raises as `seal_result`."""
        ...

    def sealed_input(self, organization_id: int, image: str, source: Source) -> SealedPayload:
        """The same for the payload store."""
        ...

    def note_sent(self, task_id: int, inputs: Sequence[tuple[int, Outgoing]]) -> None:
        """Remember the inputs of a subtask, now that it has an id."""
        ...

    def open_result_into(self, answer: Answer, letter: StoredLetter, target: Writable) -> None:
        """The result of a subtask out of the payload store; raises as `open_result`.

        The target is not to be used after an error.
        """
        ...

    def open_result(self, answer: Answer) -> bytes:
        """The result of a subtask.

        Raises
        ------
        NotForUs
            When it was made for another organization.
        EncryptionError
            When it is not what it should be.
        """
        ...


class Plain:
    """For collaborations without encryption.

    Parameters
    ----------
    agreement : Agreement
        Asked before anything leaves in plain.
    """

    encrypts = False

    def __init__(self, agreement: Agreement) -> None:
        self._agreement, self._cryptor = agreement, DummyCryptor()

    def check(self) -> None:
        """Nothing is sent in plain that would have to be encrypted."""
        self._agreement.check()

    def open_input(self, assignment: Assignment) -> Letter:
        """Base64; scripts may have sent plain JSON instead, which stays as it is."""
        text = assignment.input
        try:
            data = self._cryptor.decrypt_str_to_bytes(text)
        except EncryptionError:
            if is_envelope(text):
                raise
            data = text.encode()
        return Letter(data, claimed_origin(assignment))

    def open_stored_input(
        self, assignment: Assignment, letter: StoredLetter, target: Writable
    ) -> Origin:
        """The same out of the payload store."""
        letter.open_plain(target)
        return claimed_origin(assignment)

    def check_reader(self, assignment: Assignment) -> None:
        """Everybody can, in a collaboration that is not encrypted."""
        self._agreement.check()

    def seal_result(self, assignment: Assignment, output: bytes) -> Letters:
        """Base64, as long as the collaboration is not encrypted."""
        self._agreement.check()
        return base64.digits(output)

    def sealed_result(
        self,
        assignment: Assignment,
        source: Source,
        state: Mapping[str, str] | None,
        keep: Callable[[dict[str, str]], None],
    ) -> SealedPayload:
        """Base64, as long as the collaboration is not encrypted."""
        self._agreement.check()
        return PlainPayload(source)

    def seal_input(self, organization_id: int, image: str, data: bytes) -> str:
        """Base64, as long as the collaboration is not encrypted."""
        self._agreement.check()
        return self._cryptor.encrypt_bytes_to_str(data)

    def sealed_input(self, organization_id: int, image: str, source: Source) -> SealedPayload:
        """Base64, as long as the collaboration is not encrypted."""
        self._agreement.check()
        return PlainPayload(source)

    def note_sent(self, task_id: int, inputs: Sequence[tuple[int, Outgoing]]) -> None:
        """There is nothing to be proven later."""

    def open_result_into(self, answer: Answer, letter: StoredLetter, target: Writable) -> None:
        """Base64."""
        letter.open_plain(target)

    def open_result(self, answer: Answer) -> bytes:
        """Base64."""
        return self._cryptor.decrypt_str_to_bytes(answer.text)


class Sealed:
    """For encrypted collaborations.

    Parameters
    ----------
    organization_id, collaboration_id : int
        Ours.
    cryptor : RSACryptor
    partners : Partners
    correspondence : Correspondence
        For subtasks.
    journal : Journal
        Remembers which input was used for which run.
    agreement : Agreement
    takes : str
        The key `encryption.envelope`: `both`, `authenticated` or `classic`.
    """

    encrypts = True

    def __init__(
        self,
        organization_id: int,
        collaboration_id: int,
        cryptor: RSACryptor,
        partners: Partners,
        correspondence: Correspondence,
        journal: Journal,
        agreement: Agreement,
        takes: str,
    ) -> None:
        self._organization_id, self._collaboration_id = organization_id, collaboration_id
        self._cryptor, self._partners, self._correspondence = cryptor, partners, correspondence
        self._journal, self._agreement, self._takes = journal, agreement, takes

    def check(self) -> None:
        """Nothing is taken from a collaboration that is not encrypted."""
        self._agreement.check()

    def open_input(self, assignment: Assignment) -> Letter:
        """The input, in whichever envelope the owner lets in."""
        if not is_authenticated_envelope(assignment.input):
            self._require_classic_taken()
            data = self._cryptor.decrypt_str_to_bytes(assignment.input)
            return Letter(data, claimed_origin(assignment))
        self._require_authenticated_taken()
        with _explained():
            senders_key = self._partners.key(_initiator(assignment))
            opened = authenticated.open_(assignment.input, self._cryptor.private_key, senders_key)
            self._require(assignment, opened.context)
        self._use(assignment, opened.context, opened.digest)
        return Letter(opened.data, self._proven_origin(assignment))

    def open_stored_input(
        self, assignment: Assignment, letter: StoredLetter, target: Writable
    ) -> Origin:
        """The input out of the payload store, in whichever envelope the owner lets in."""
        with _explained():
            envelope = letter.envelope()
        if envelope is None:
            self._require_classic_taken()
            self._cryptor.open_stream(letter.source, target)
            return claimed_origin(assignment)
        self._require_authenticated_taken()
        with _explained():
            senders_key = self._partners.key(_initiator(assignment))
            # What the signature will turn out to cover; so nothing is fetched in vain.
            self._require(assignment, envelope.header.context)
            opened = envelope.open_into(target, self._cryptor.private_key, senders_key)
        self._use(assignment, opened.context, opened.digest)
        return self._proven_origin(assignment)

    def _require_classic_taken(self) -> None:
        if self._takes == "authenticated":
            raise NotAccepted(
                "This node takes signed inputs only (`encryption.envelope: authenticated`), "
                "and this one is in the classic envelope: send it with a client of this version"
            )

    def _require_authenticated_taken(self) -> None:
        if self._takes == "classic":
            raise NotAccepted(
                "This node takes inputs in the classic envelope only (`encryption.envelope: "
                "classic`), and this one is in an authenticated one"
            )

    def _require(self, assignment: Assignment, context: Context) -> None:
        """Refuse an input that was made for another occasion."""
        require(
            context,
            direction="input",
            collaboration_id=self._collaboration_id,
            image=canonical(assignment.image),
            sender=assignment.initiator,
            recipient=self._organization_id,
        )

    def _use(self, assignment: Assignment, context: Context, digest: str) -> None:
        """Note what the result has to answer, and that this input was used."""
        asked = {**asdict(context), "digest": digest}
        self._journal.note(assignment.result_id, {_ASKED: asked})
        if not self._journal.use(context.nonce, assignment.result_id):
            raise NotAccepted(
                "The input was used for another run already: somebody may have sent it again"
            )

    def check_reader(self, assignment: Assignment) -> None:
        """Whoever asked must have a key, and it must be the pinned one."""
        self._agreement.check()
        self._readers_key(assignment)

    def seal_result(self, assignment: Assignment, output: bytes) -> Letters:
        """The result for the organization that asked, in the envelope of its input."""
        context = self._answering(assignment)
        if context is None:
            reader = self._classic_reader(assignment)
            return self._cryptor.encrypt_bytes_to_str(output, reader).encode("ascii")
        recipient = self._partners.key(context.recipient)
        return authenticated.seal_ascii(output, context, self._cryptor.private_key, recipient)

    def sealed_result(
        self,
        assignment: Assignment,
        source: Source,
        state: Mapping[str, str] | None,
        keep: Callable[[dict[str, str]], None],
    ) -> SealedPayload:
        """The same for the payload store, in the same envelope."""
        context = self._answering(assignment)
        if context is None:
            return ClassicPayload(source, self._classic_reader(assignment), state)
        keys = self._cryptor.private_key, self._partners.key(context.recipient)
        if state is not None:
            return SignedPayload.again(source, state, context, *keys, keep=keep)
        return SignedPayload.new(source, context, *keys, keep=keep)

    def _answering(self, assignment: Assignment) -> ResultContext | None:
        """What a result is made for; None where its input came in the classic envelope."""
        record = self._journal.record(assignment.result_id)
        if record is None or _ASKED not in record.facts:
            return None
        asked = dict(record.facts[_ASKED])
        digest = asked.pop("digest")
        return ResultContext.answering(
            InputContext(**asked),
            digest,
            task_id=assignment.task_id,
            result_id=assignment.result_id,
        )

    def _classic_reader(self, assignment: Assignment) -> str:
        """The key of whoever asked in the classic envelope."""
        # Who asked at the start: later the server could name somebody else.
        record = self._journal.record(assignment.result_id)
        reader = self._readers_key(record.assignment if record else assignment)
        self._require_classic(assignment, is_known=record is not None)
        return reader

    def seal_input(self, organization_id: int, image: str, data: bytes) -> str:
        """The input of a subtask, in the best envelope that the organization reads."""
        self._agreement.check()
        return self._correspondence.seal_input(organization_id, self._collaboration_id, image, data)

    def sealed_input(self, organization_id: int, image: str, source: Source) -> SealedPayload:
        """The same for the payload store."""
        self._agreement.check()
        return self._correspondence.sealed_input(
            organization_id, self._collaboration_id, image, source
        )

    def note_sent(self, task_id: int, inputs: Sequence[tuple[int, Outgoing]]) -> None:
        """Remember what results will have to answer."""
        self._correspondence.note_sent(task_id, inputs)

    def open_result_into(self, answer: Answer, letter: StoredLetter, target: Writable) -> None:
        """The result of a subtask out of the payload store, in either envelope."""
        self._correspondence.open_result_into(answer, letter, target)

    def open_result(self, answer: Answer) -> bytes:
        """The result of a subtask, in either envelope."""
        return self._correspondence.open_result(answer)

    def _require_classic(self, assignment: Assignment, *, is_known: bool) -> None:
        """Send nothing in the classic envelope that was asked for in the other one."""
        stored = assignment.stored_input
        # What the server has as text may be either, and is not here to be looked at.
        may_be_ours = is_authenticated_envelope(assignment.input) or (
            stored is not None and (stored.form == BINARY or not is_known)
        )
        if self._takes == "authenticated" or may_be_ours:
            raise EncryptionError(
                "The journal of this node does not know any more how the input came, so the "
                "result would leave less protected than that was; send the task again"
            )

    def _readers_key(self, assignment: Assignment) -> str:
        return self._partners.key_text(_initiator(assignment))

    def _proven_origin(self, assignment: Assignment) -> Origin:
        sender = _initiator(assignment)
        return Origin(
            sender, self._partners.name(sender), assignment.user, assignment.user_name, proven=True
        )


@contextmanager
def _explained() -> Iterator[None]:
    """Say of an authenticated envelope why it is not taken."""
    try:
        yield
    except ContextMismatch as error:
        raise NotAccepted(
            f"The input was not made for this run: its {error.field} differs"
        ) from error
    except KeyChanged:
        raise
    except EncryptionError as error:
        raise NotAccepted(f"The input cannot be trusted: {error}") from error


def claimed_origin(assignment: Assignment) -> Origin:
    """Who asked, as the server says."""
    return Origin(assignment.initiator, user_id=assignment.user, user_name=assignment.user_name)


def _initiator(assignment: Assignment) -> int:
    if assignment.initiator is None:
        raise EncryptionError("The server does not say which organization asked")
    return assignment.initiator
