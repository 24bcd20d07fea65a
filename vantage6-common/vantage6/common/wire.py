"""What both ends of the wire have to know about each other."""

from collections.abc import Mapping

# Fields that released clients, nodes or wrappers send and that mean nothing to our server: they
# are accepted and ignored. Any other field that is not known is refused by its name.
KNOWN_EXTRAS: Mapping[str, frozenset[str]] = {}
