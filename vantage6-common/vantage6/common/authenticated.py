"""The authenticated envelope: encrypted for one organization, signed by another.

What `encryption` makes, the classic envelope, keeps a payload from being read. This one also
proves who made it, for which occasion, and that nothing of it was changed, left out or added.
Its form is described in `docs/reference/envelope.md`.

    context = InputContext(collaboration_id=1, image=canonical(image), sender=2, recipient=3)
    text = seal(data, context, own_key, recipient_key)

    opened = open_(text, own_key, sender_key)
    require(opened.context, direction="input", collaboration_id=1, recipient=3)
"""

from vantage6.common.envelope.context import (
    Context,
    InputContext,
    ResultContext,
    new_nonce,
    require,
)
from vantage6.common.envelope.form import Header
from vantage6.common.envelope.opening import (
    Opened,
    Verified,
    claimed,
    digest,
    open_,
    open_binary,
    verify,
)
from vantage6.common.envelope.sealing import (
    SealedText,
    seal,
    seal_ascii,
    seal_binary,
    seal_stream,
)
from vantage6.common.envelope.stream_opening import EnvelopeStream, OpenedStream, open_stream
from vantage6.common.envelope.text import is_authenticated_envelope

__all__ = [
    "Context",
    "EnvelopeStream",
    "Header",
    "InputContext",
    "Opened",
    "OpenedStream",
    "ResultContext",
    "SealedText",
    "Verified",
    "claimed",
    "digest",
    "is_authenticated_envelope",
    "new_nonce",
    "open_",
    "open_binary",
    "open_stream",
    "require",
    "seal",
    "seal_ascii",
    "seal_binary",
    "seal_stream",
    "verify",
]
