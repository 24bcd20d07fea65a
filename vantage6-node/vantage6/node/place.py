"""The place of this node at its server: learnt at the log-in, and known again without it."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict

from vantage6.node.instance import Instance
from vantage6.node.journal import Journal
from vantage6.node.server import Identity
from vantage6.node.work import RunWork

_JOURNAL = "journal.sqlite"
_NAME = "place"


class Place:
    """Who we are at the server, and what does the work for it.

    A node that starts while its server is away knows from its journal who it was, so it can
    take up what it left: watch its containers, and collect those that ended.

    Parameters
    ----------
    instance : Instance
        Held from the first question on.
    credentials : sequence of str
        What the place depends on: server and API key. With others, nothing is known of it.
    agree : callable
        Raises what speaks against working under an identity.
    make_work : callable
        From an identity and the journal to what does the work.
    """

    def __init__(
        self,
        instance: Instance,
        credentials: Sequence[str],
        agree: Callable[[Identity], None],
        make_work: Callable[[Identity, Journal], RunWork],
    ) -> None:
        self._instance, self._agree, self._make_work = instance, agree, make_work
        # The key itself stays where its owner put it.
        self._credentials = hashlib.sha256("\n".join(credentials).encode()).hexdigest()
        self._journal: Journal | None = None
        self._known: tuple[Identity, RunWork] | None = None

    def recall(self) -> tuple[Identity, RunWork] | None:
        """Who we were at our last log-in, and what does the work; None before the first.

        Raises
        ------
        ConfigurationError
            When another process of this node runs, or the journal cannot be used.
        """
        self._instance.hold()
        self._journal = self._journal or Journal(self._instance.folder / _JOURNAL)
        known = self._journal.recall(_NAME) or {}
        if known.pop("credentials", None) != self._credentials:
            return None
        try:
            identity = Identity(**known)
        except TypeError:
            return None  # noted by another version of this node
        self._known = identity, self._make_work(identity, self._journal)
        return self._known

    def settle(self, who: Identity) -> RunWork:
        """What does the work under an identity, the same as before where that did not change.

        Raises
        ------
        ConfigurationError
            When node and server do not agree.
        """
        assert self._journal is not None, "recalled first"
        self._agree(who)
        work = self._work_in(who) or self._make_work(who, self._journal)
        self._journal.remember(_NAME, {**asdict(who), "credentials": self._credentials})
        self._known = who, work
        return work

    def _work_in(self, who: Identity) -> RunWork | None:
        """What works already for the collaboration of this identity."""
        if self._known and self._known[0].collaboration_id == who.collaboration_id:
            return self._known[1]
        return None
