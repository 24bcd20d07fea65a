"""The outer form of encrypted payloads; the server knows no more of them than this.

Nothing here needs a key or a cryptographic library. What makes and opens envelopes is
`vantage6.common.encryption` for the classic one and `vantage6.common.authenticated` for ours.
"""

from vantage6.common.envelope.classic import SEPARATOR, is_classic_envelope
from vantage6.common.envelope.text import is_authenticated_envelope

__all__ = ["SEPARATOR", "is_authenticated_envelope", "is_classic_envelope", "is_envelope"]


def is_envelope(text: str) -> bool:
    """Whether `text` has the form of an encrypted payload: the classic or the authenticated one."""
    return is_classic_envelope(text) or is_authenticated_envelope(text)
