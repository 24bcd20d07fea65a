"""Where large payloads are kept: what every store can do, and the kinds that there are."""
