"""What both ends of the wire have to know about each other."""

from collections.abc import Mapping

# Fields that released clients, nodes or wrappers send and that mean nothing to our server: they
# are accepted and ignored. Any other field that is not known is refused by its name.
KNOWN_EXTRAS: Mapping[str, frozenset[str]] = {}

#: The header with the word by which an order of a task is known again, and, between an algorithm
#: and its node, the one that says that it was ordered before.
IDEMPOTENCY_KEY = "Idempotency-Key"
IDEMPOTENCY_REPEATED = "Idempotency-Repeated"

#: Bytes up to which our parts have payloads inline: no more than a server keeps there itself.
INLINE = 2**20
#: Bytes below which nobody asks whether the server would rather have them in another way.
SMALL = 2**16
