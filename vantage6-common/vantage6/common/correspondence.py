"""Inputs that we send to other organizations, and the results that answer them.

Which envelope an input goes into depends on what its recipient says it can read. Results come
back in the envelope of their input; those in an authenticated one have to prove whose they are,
of which run, and which input they answer. Clients use it, and nodes for subtasks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from vantage6.common import authenticated
from vantage6.common.authenticated import (
    Context,
    InputContext,
    SealedText,
    Verified,
    is_authenticated_envelope,
    require,
)
from vantage6.common.encryption import ClassicText, RSACryptor, is_envelope
from vantage6.common.envelope.streams import Writable
from vantage6.common.exceptions import ContextMismatch, Damaged, EncryptionError, NotForUs
from vantage6.common.image import canonical
from vantage6.common.letter import Letter
from vantage6.common.long_text import LongText
from vantage6.common.partners import Partners
from vantage6.common.sealed import ClassicPayload, Sealed, SignedPayload
from vantage6.common.sent import Sent
from vantage6.common.sources import Source

__all__ = ["Answer", "Correspondence", "Outgoing", "StoredInput"]

# How an input was sent
Outgoing = str | LongText | Sealed
StoredInput = Callable[[], AbstractContextManager[Letter]]


@dataclass(frozen=True)
class Answer:
    """A result as the server shows it; nothing of this is proven.

    Attributes
    ----------
    result_id, task_id, organization_id : int
        Of the run.
    text : str
        The result itself.
    input : str
        The input that it is said to answer; "" where it is not shown.
    stored_input : callable, optional
        That input as a stream, where it is in the payload store.
    """

    result_id: int
    task_id: int
    organization_id: int
    text: str
    input: str = ""
    stored_input: StoredInput | None = None

    @classmethod
    def from_wire(
        cls,
        result: Mapping[str, Any],
        *,
        task_id: int | None = None,
        result_id: int | None = None,
        stored_input: StoredInput | None = None,
    ) -> "Answer":
        """From what the server sends.

        Parameters
        ----------
        result : mapping
        task_id, result_id : int, optional
            What was asked for, in the place of what the server says that this is.
        stored_input : callable, optional

        Raises
        ------
        EncryptionError
            When it does not say whose result it is.
        """
        try:
            return cls(
                result_id=_id(result["id"]) if result_id is None else result_id,
                task_id=_id(result["task"]) if task_id is None else task_id,
                organization_id=_id(result["organization"]),
                text=result["result"] or "",
                input=input_ if isinstance(input_ := result.get("input"), str) else "",
                stored_input=stored_input,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise EncryptionError(
                "The server does not say of which run this result is, so nothing can be proven"
            ) from error


class Correspondence:
    """Our organization's side of it.

    Parameters
    ----------
    organization_id : int
        Our own.
    cryptor : RSACryptor
    partners : Partners
    sent : Sent
    """

    def __init__(
        self, organization_id: int, cryptor: RSACryptor, partners: Partners, sent: Sent
    ) -> None:
        self._own, self._cryptor = organization_id, cryptor
        self._partners, self._sent = partners, sent

    def seal_input(self, recipient: int, collaboration_id: int, image: str, data: bytes) -> str:
        """An input for an organization, in the best envelope that it reads.

        Raises
        ------
        KeyChanged, Downgraded, EncryptionError
            When nothing can be sent to it.
        """
        return b"".join(self.input_text(recipient, collaboration_id, image, data)).decode("ascii")

    def input_text(
        self, recipient: int, collaboration_id: int, image: str, data: bytes
    ) -> SealedText | ClassicText:
        """The same, made while it is sent."""
        if not self._partners.reads_authenticated(recipient):
            return ClassicText(data, self._partners.key_text(recipient))
        context = InputContext(collaboration_id, _full_name(image), self._own, recipient)
        return SealedText(data, context, self._cryptor.private_key, self._partners.key(recipient))

    def sealed_input(
        self, recipient: int, collaboration_id: int, image: str, source: Source
    ) -> Sealed:
        """The same for the payload store, sealed while it is sent."""
        if not self._partners.reads_authenticated(recipient):
            return ClassicPayload(source, self._partners.key_text(recipient))
        context = InputContext(collaboration_id, _full_name(image), self._own, recipient)
        own_key = self._cryptor.private_key
        return SignedPayload.new(source, context, own_key, self._partners.key(recipient))

    def note_sent(self, task_id: int, inputs: Sequence[tuple[int, Outgoing]]) -> None:
        """Remember the inputs of a task, now that it has an id: organizations and texts."""
        digests = {id_: digest for id_, text in inputs if (digest := _digest(text))}
        if digests:
            self._sent.note(task_id, digests)

    def remembers(self, task_id: int) -> bool:
        """Whether inputs of a task were noted, so that the server need not show them."""
        return self._sent.has(task_id)

    def open_input(self, text: str) -> bytes:
        """An input in an authenticated envelope that was sent to us, to look at it.

        Raises
        ------
        NotForUs
            When it was sent to somebody else.
        EncryptionError
            When it is not what its sender sent.
        """
        context = authenticated.claimed(text).context
        if context.recipient != self._own:
            raise NotForUs("The input was made for another organization")
        senders_key = self._partners.key(context.sender)
        opened = authenticated.open_(text, self._cryptor.private_key, senders_key)
        require(opened.context, direction="input")
        return opened.data

    def open_input_into(self, letter: Letter, target: Writable) -> None:
        """An input that was sent to us, from the payload store; raises as `open_input`.

        The target is not to be used after an error.
        """
        envelope = letter.envelope()
        if envelope is None:
            self._cryptor.open_stream(letter.source, target)
            return
        context = envelope.header.context
        if context.recipient != self._own:
            raise NotForUs("The input was made for another organization")
        require(context, direction="input")
        senders_key = self._partners.key(context.sender)
        envelope.open_into(target, self._cryptor.private_key, senders_key)

    def open_result_into(self, answer: Answer, letter: Letter, target: Writable) -> None:
        """The bytes of a result from the payload store; raises as `open_result`.

        The target is not to be used after an error.
        """
        with _telling_of(answer):
            self._open_result_into(answer, letter, target)

    def _open_result_into(self, answer: Answer, letter: Letter, target: Writable) -> None:
        sent = self._sent.digest(answer.task_id, answer.organization_id)
        envelope = letter.envelope()
        if envelope is None:
            if sent or self._was_asked_in_ours(answer):
                raise _replaced(answer)
            try:
                self._cryptor.open_stream(letter.source, target)
            except Damaged:
                raise
            except EncryptionError as error:
                raise NotForUs(f"{_named(answer)} was made for another key") from error
            return
        context = envelope.header.context
        if context.recipient != self._own:
            raise NotForUs(f"{_named(answer)} was made for another organization")
        # Of what the signature will turn out to be of; so nothing is fetched in vain.
        self._require(answer, context, sent)
        key = self._partners.key(answer.organization_id)
        try:
            envelope.open_into(target, self._cryptor.private_key, key)
        except EncryptionError as error:
            raise EncryptionError(f"{_named(answer)} cannot be trusted: {error}") from error

    def _was_asked_in_ours(self, answer: Answer) -> bool:
        """Whether the input that the server shows is in an authenticated envelope."""
        if answer.stored_input is None:
            return is_authenticated_envelope(answer.input)
        with answer.stored_input() as letter:
            return letter.envelope() is not None

    def open_result(self, answer: Answer) -> bytes:
        """The bytes of a result.

        Raises
        ------
        NotForUs
            When it was made for another organization.
        EncryptionError
            When it is not the result of this run, or not what its sender sent; the text says
            what is wrong.
        """
        with _telling_of(answer):
            return self._open_result(answer)

    def _open_result(self, answer: Answer) -> bytes:
        sent = self._sent.digest(answer.task_id, answer.organization_id)
        if not is_authenticated_envelope(answer.text):
            if sent or self._was_asked_in_ours(answer):
                raise _replaced(answer)
            return self._open_classic(answer)
        if authenticated.claimed(answer.text).context.recipient != self._own:
            raise NotForUs(f"{_named(answer)} was made for another organization")
        key = self._partners.key(answer.organization_id)
        try:
            opened = authenticated.open_(answer.text, self._cryptor.private_key, key)
        except ContextMismatch:
            raise
        except EncryptionError as error:
            raise EncryptionError(f"{_named(answer)} cannot be trusted: {error}") from error
        self._require(answer, opened.context, sent)
        return opened.data

    def _require(self, answer: Answer, context: Context, sent: str | None) -> None:
        """Refuse a result that was made for another occasion."""
        require(
            context,
            direction="result",
            sender=answer.organization_id,
            recipient=self._own,
            task_id=answer.task_id,
            result_id=answer.result_id,
            **self._asked(answer, sent),
        )

    def _open_classic(self, answer: Answer) -> bytes:
        if not is_envelope(answer.text):
            raise EncryptionError(f"{_named(answer)} is not encrypted")
        try:
            return self._cryptor.decrypt_str_to_bytes(answer.text)
        except EncryptionError as error:
            raise NotForUs(f"{_named(answer)} was made for another key") from error

    def _asked(self, answer: Answer, sent: str | None) -> dict[str, object]:
        """What a result has to say of the input that it answers."""
        if sent:
            return {"input_digest": sent}
        # Sent by another process of our organization: our signature is on it.
        asked = self._verified_input(answer)
        require(
            asked.context, direction="input", sender=self._own, recipient=answer.organization_id
        )
        return {
            "input_digest": asked.digest,
            "nonce": asked.context.nonce,
            "image": asked.context.image,
            "collaboration_id": asked.context.collaboration_id,
        }

    def _verified_input(self, answer: Answer) -> Verified:
        """The input that a result answers, with our own signature on it."""
        own_key = self._cryptor.private_key.public_key()
        if answer.stored_input is not None:
            with answer.stored_input() as letter:
                if envelope := letter.envelope():
                    return envelope.verify(own_key)
        elif is_authenticated_envelope(answer.input):
            return authenticated.verify(answer.input, own_key)
        raise EncryptionError(f"{_named(answer)} answers an input that the server does not show")


@contextmanager
def _telling_of(answer: Answer) -> Iterator[None]:
    try:
        yield
    except ContextMismatch as error:
        raise EncryptionError(
            f"{_named(answer)} is not of this run: its {error.field} differs"
        ) from error


def _replaced(answer: Answer) -> EncryptionError:
    return EncryptionError(
        f"{_named(answer)} is not in an authenticated envelope, though its input "
        "was: somebody may have put it in the place of the right one"
    )


def _named(answer: Answer) -> str:
    return (
        f"Result {answer.result_id} of task {answer.task_id}, from organization "
        f"{answer.organization_id},"
    )


def _digest(text: Outgoing) -> str | None:
    """What names an authenticated envelope that was sent; None for a classic one."""
    if isinstance(text, SealedText | Sealed):
        return text.digest
    if isinstance(text, LongText) or not is_authenticated_envelope(text):
        return None
    return authenticated.digest(text)


def _full_name(image: str) -> str:
    try:
        return canonical(image)
    except ValueError as error:
        raise EncryptionError(f"{image!r} is not the name of an image") from error


def _id(value: Any) -> int:
    """The id in a link, or as it is."""
    number = value["id"] if isinstance(value, Mapping) else value
    if type(number) is not int:
        raise TypeError(f"{number!r} is not an id")
    return number
