"""What an authenticated envelope is bound to: who, to whom, where, with which image, for which run.

The context stands in the header of the envelope, readable by all and changeable by nobody. An
envelope that was made for one occasion is thereby of no use for another.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

from vantage6.common.exceptions import ContextMismatch, EncryptionError
from vantage6.common.image import canonical

#: Whole numbers up to here are the same in every language that reads JSON.
MAX_ID = 2**53 - 1

_NONCE_BYTES = 16
_NONCE = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_IMAGE_LENGTH = 1000


def new_nonce() -> str:
    """What nobody has called an input before: 16 random bytes as hexadecimal digits."""
    return secrets.token_hex(_NONCE_BYTES)


@dataclass(frozen=True)
class InputContext:
    """The occasion of an input.

    Attributes
    ----------
    collaboration_id : int
    image : str
        In its full spelling, `vantage6.common.image.canonical`.
    sender, recipient : int
        Organizations.
    nonce : str
        Made by the sender for this input alone; who remembers it recognises a repetition.

    Raises
    ------
    EncryptionError
        When a value is not of its form.
    """

    direction: ClassVar[str] = "input"

    collaboration_id: int
    image: str
    sender: int
    recipient: int
    nonce: str = field(default_factory=new_nonce)

    def __post_init__(self) -> None:
        """Refuse what readers would refuse."""
        for name in ("collaboration_id", "sender", "recipient"):
            _check(_is_id(getattr(self, name)), name)
        _check(_is_canonical(self.image), "image")
        _check(_is_text(self.nonce, _NONCE), "nonce")


@dataclass(frozen=True)
class ResultContext:
    """The occasion of a result: that of its input, with the directions turned, and its run.

    Attributes
    ----------
    collaboration_id, image, sender, recipient
        As in `InputContext`; the sender is the organization of the node.
    nonce : str
        That of the input.
    task_id, result_id : int
        The ids that the server gave to the task and to its run.
    input_digest : str
        The digest of the envelope in which the input came.

    Raises
    ------
    EncryptionError
        When a value is not of its form.
    """

    direction: ClassVar[str] = "result"

    collaboration_id: int
    image: str
    sender: int
    recipient: int
    nonce: str
    task_id: int
    result_id: int
    input_digest: str

    def __post_init__(self) -> None:
        """Refuse what readers would refuse."""
        for name in ("collaboration_id", "sender", "recipient", "task_id", "result_id"):
            _check(_is_id(getattr(self, name)), name)
        _check(_is_canonical(self.image), "image")
        _check(_is_text(self.nonce, _NONCE), "nonce")
        _check(_is_text(self.input_digest, _DIGEST), "input_digest")

    @classmethod
    def answering(
        cls, asked: InputContext, input_digest: str, *, task_id: int, result_id: int
    ) -> "ResultContext":
        """The context of the result of an input."""
        return cls(
            collaboration_id=asked.collaboration_id,
            image=asked.image,
            sender=asked.recipient,
            recipient=asked.sender,
            nonce=asked.nonce,
            task_id=task_id,
            result_id=result_id,
            input_digest=input_digest,
        )


Context = InputContext | ResultContext
_KINDS: Mapping[str, type[Context]] = {
    kind.direction: kind for kind in (InputContext, ResultContext)
}


def require(context: Context, **expected: object) -> None:
    """Compare a context with what is expected of it.

    Parameters
    ----------
    context : InputContext or ResultContext
        Of an envelope that was opened.
    **expected
        Names of its fields, `direction` among them, and their values.

    Raises
    ------
    ContextMismatch
        Naming the first field that differs, but neither of its values.
    """
    for name, value in expected.items():
        own = getattr(context, name, None)
        if type(own) is not type(value) or own != value:
            raise ContextMismatch(name)


def to_dict(context: Context) -> dict[str, Any]:
    """The fields of a context, as they stand in a header."""
    return {"direction": context.direction, **asdict(context)}


def from_dict(values: object) -> Context:
    """The context of a header; EncryptionError when a field is missing, unknown or malformed."""
    if not isinstance(values, dict):
        raise EncryptionError("The context of the envelope is malformed")
    direction = values.get("direction")
    kind = _KINDS.get(direction) if isinstance(direction, str) else None
    _check(kind is not None, "direction")
    assert kind is not None
    rest = {name: value for name, value in values.items() if name != "direction"}
    if rest.keys() != {field.name for field in fields(kind)}:
        raise EncryptionError("The context of the envelope has other fields than it should")
    return kind(**rest)


def _check(fits: bool, name: str) -> None:
    if not fits:
        raise EncryptionError(f"The context of the envelope is malformed: {name}")


def _is_id(value: object) -> bool:
    # True is a number to Python, but not in JSON
    return type(value) is int and 0 < value <= MAX_ID


def _is_text(value: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_canonical(image: object) -> bool:
    if not isinstance(image, str) or len(image) > _IMAGE_LENGTH:
        return False
    try:
        return canonical(image) == image
    except ValueError:
        return False
