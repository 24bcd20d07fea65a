"""The whole examination, in the order in which a node would meet what is wrong."""

import logging

from vantage6.common.context import InstanceContext
from vantage6.node.doctor import data, house, machine, server, ways
from vantage6.node.doctor.findings import Finding, Findings, wrong

_EXAMINATIONS = (
    ("configuration", house.configuration),
    ("policy", house.policy),
    ("disclosure", house.disclosure),
    ("signatures", house.signatures),
    ("data folder", machine.data_folder),
    ("engine", machine.engine),
    ("databases", data.databases),
    ("services", ways.services),
    ("destinations", ways.destinations),
    ("private key", data.private_key),
    ("server", server.server),
)

log = logging.getLogger(__name__)


def examine(context: InstanceContext) -> Findings:
    """Look at everything that a node needs.

    What the node itself checks at its start is checked by the same code; a fault in one part
    does not keep the others from being looked at.

    Yields
    ------
    Finding
        As soon as it is found.
    """
    for subject, look in _EXAMINATIONS:
        try:
            yield from look(context)
        except Exception as error:
            log.debug("The examination of the %s failed", subject, exc_info=True)
            yield _unforeseen(subject, error)


def _unforeseen(subject: str, error: Exception) -> Finding:
    return wrong(
        subject,
        f"It could not be looked at: {type(error).__name__}: {error}",
        "If the text says nothing to you, report it; `vnode-local start` may say more",
    )
