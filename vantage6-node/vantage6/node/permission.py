"""Whether a run may start: who asks, what of, and what the owner says to it.

The questions are asked as soon as each can be, so that nothing is fetched, and no container made,
for a run that will not be let in.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from vantage6.common.client.download import Stored
from vantage6.common.exceptions import EncryptionError, KeyChanged
from vantage6.node.agreement import Disagreement
from vantage6.node.assignment import Assignment
from vantage6.node.envelopes import Envelopes, NotAccepted
from vantage6.node.inbox import HeldInput, Inbox, Input, check_size
from vantage6.node.policy import (
    Decision,
    NotAllowed,
    Origin,
    Request,
    Verdict,
    decide,
    read_input,
)
from vantage6.node.policy import Input as AskedInput
from vantage6.node.rules import Rules
from vantage6.node.runner.interface import FoundImage, Runner
from vantage6.node.server import Server
from vantage6.node.settings import Settings

_LARGEST_LOOKED_INTO = 2**18
# Where the owner allows methods by name: taking JSON apart needs several times its memory.
_LARGEST_READ = 2**28
# Of an envelope, and more
_MOST_HEADER = 2**16


@dataclass(frozen=True)
class Asked:
    """A run whose input was opened, and to which the owner does not say no.

    Attributes
    ----------
    input : Input
        As the algorithm will read it.
    request : Request
        What the policy is asked about.
    """

    input: Input
    request: Request


@dataclass(frozen=True)
class Permit:
    """A run that may start.

    Attributes
    ----------
    input : Input
    request : Request
    decision : Decision
        By which it may.
    image : FoundImage
        The one that was asked about, and no other.
    """

    input: Input
    request: Request
    decision: Decision
    image: FoundImage

    @property
    def rules(self) -> Rules:
        """What its container gets."""
        return self.decision.rules


class Permission:
    """Asks whether runs may start; what speaks against one is raised, see `refusals.py`.

    Parameters
    ----------
    server, runner, envelopes, settings : object
        Those of the node.
    inbox : Inbox
        Where large inputs come in.
    """

    def __init__(
        self,
        server: Server,
        runner: Runner,
        envelopes: Envelopes,
        settings: Settings,
        inbox: Inbox,
    ) -> None:
        self._inbox = inbox
        self._server, self._runner = server, runner
        self._envelopes, self._settings = envelopes, settings

    def check_name(self, image: str) -> None:
        """Ask about the image alone, before the input has said who sent it."""
        step = decide(self._settings.policy, Request(image, Origin())).steps[0]
        if step.verdict is Verdict.REFUSED:
            raise NotAllowed(step.reason, step.rule)

    def check_reader(self, assignment: Assignment) -> None:
        """Whoever asked must be able to read the answer; said before it is computed."""
        try:
            self._envelopes.check_reader(assignment)
        except Disagreement:
            raise
        except EncryptionError as error:
            kind = KeyChanged if isinstance(error, KeyChanged) else EncryptionError
            raise kind(
                f"No result can be encrypted for the organization that asked: {error}"
            ) from error

    def open(self, assignment: Assignment) -> Asked:
        """Open the input, and ask about all but the content of the image."""
        input_, origin = self._open(assignment)
        request = Request(assignment.image, self._named(origin), self._look_into(input_))
        self._check(request)
        return Asked(input_, request)

    def find_image(self, asked: Asked, before_fetching: Callable[[], None]) -> FoundImage:
        """The image that will run; nothing is fetched that the owner refuses."""
        found = self._runner.find_image(asked.request.image)
        self._check(replace(asked.request, digests=found.digests))
        if self._settings.signatures is not None:
            self._settings.signatures.require(found.name, found.digest)
        if not found.is_here:
            before_fetching()
            found = self._runner.fetch_image(found)
        return found

    def grant(self, asked: Asked, image: FoundImage) -> Permit:
        """The permission, now that all is known; without one there is no container."""
        request = replace(asked.request, digests=image.digests)
        decision = self._check(request)
        if not decision.allowed:
            raise NotAllowed(decision.reason, decision.rule, request.origin)
        return Permit(asked.input, request, decision, image)

    def _check(self, request: Request) -> Decision:
        """What the owner says to what is known so far."""
        decision = decide(self._settings.policy, request)
        if decision.refused:
            raise NotAllowed(decision.reason, decision.rule, request.origin)
        return decision

    def _open(self, assignment: Assignment) -> tuple[Input, Origin]:
        try:
            if assignment.stored_input is not None:
                return self._receive(assignment, assignment.stored_input)
            letter = self._envelopes.open_input(assignment)
            return HeldInput(letter.data), letter.origin
        except (NotAccepted, KeyChanged):
            raise
        except EncryptionError as error:
            raise EncryptionError(f"The input cannot be decrypted at this node: {error}") from error

    def _receive(self, assignment: Assignment, stored: Stored) -> tuple[Input, Origin]:
        """An input out of the payload store, opened while it comes in."""
        id_ = assignment.result_id
        limit = self._settings.rules_for(assignment.image).limits.input
        # In text there are more bytes than in what is in it.
        check_size(stored.size * 3 // 4 - _MOST_HEADER, limit)
        with (
            self._inbox.arriving(id_, stored.size, limit) as target,
            self._server.payload(id_, "input", stored) as letter,
        ):
            origin = self._envelopes.open_stored_input(assignment, letter, target)
        return target.arrived(self._inbox.path(id_)), origin

    def _named(self, origin: Origin) -> Origin:
        """The origin with the name that the server has for the organization, if that counts."""
        known = origin.organization_name or origin.organization_id is None
        if known or not self._settings.policy.needs_name:
            return origin
        assert origin.organization_id is not None
        shown = self._server.organization(origin.organization_id, self._settings.collaboration_id)
        return replace(origin, organization_name=shown.name)

    def _look_into(self, input_: Input) -> AskedInput:
        """What policy and audit log are told; a large input is read only where it decides."""
        restricted = self._settings.policy.restricts_methods
        largest = _LARGEST_READ if restricted else _LARGEST_LOOKED_INTO
        return read_input(input_.head(largest + 1), largest=largest)
