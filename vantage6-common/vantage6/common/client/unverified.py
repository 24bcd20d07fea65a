"""Results that were not opened because they cannot be trusted."""

from collections.abc import Mapping
from typing import Any

from vantage6.common.exceptions import EncryptionError

# Beside the sealed text of such a result: why.
UNVERIFIED = "unverified"


def require_verified(result: Mapping[str, Any]) -> None:
    """Raise EncryptionError for a result that cannot be trusted."""
    if UNVERIFIED in result:
        raise EncryptionError(result[UNVERIFIED])
