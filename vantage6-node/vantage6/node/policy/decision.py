"""The decision about a run, step by step; a pure function."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from vantage6.common import image as images
from vantage6.common.exceptions import Vantage6Error
from vantage6.common.serialization import RUNS_CODE
from vantage6.node.policy.house import ImageRule, Policy
from vantage6.node.policy.images import matches, may_match, spellings
from vantage6.node.policy.request import Origin, Request
from vantage6.node.rules import Rules


class NotAllowed(Vantage6Error):
    """The owner's policy refuses a run; the text says why and is shown to the researcher.

    Attributes
    ----------
    rule : str
        What of the configuration decided, for the owner.
    origin : Origin, optional
        Who asked, where more is known of it than what the server says.
    """

    def __init__(self, reason: str, rule: str, origin: Origin | None = None) -> None:
        super().__init__(reason)
        self.rule, self.origin = rule, origin


class Verdict(Enum):
    """What one step of a decision came to."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    OPEN = "not known yet"


@dataclass(frozen=True)
class Step:
    """One question of a decision.

    Attributes
    ----------
    subject : {"image", "organization", "user", "input", "method"}
    verdict : Verdict
    reason : str
        For the researcher when it is a refusal, so it tells nothing that is nobody's business.
    rule : str
        What of the configuration decided; for the owner alone.
    """

    subject: str
    verdict: Verdict
    reason: str
    rule: str


@dataclass(frozen=True)
class Decision:
    """What the owner's policy says to a request.

    Attributes
    ----------
    steps : tuple of Step
    rules : Rules
        What the container gets if it runs.
    exception : ImageRule, optional
        Where these rules come from; None: they are those for every image.
    """

    steps: tuple[Step, ...]
    rules: Rules
    exception: ImageRule | None = None

    @property
    def refused(self) -> Step | None:
        """The first step that refuses the run, whatever is learned later."""
        return next((step for step in self.steps if step.verdict is Verdict.REFUSED), None)

    @property
    def open(self) -> Step | None:
        """The first step that needs to know more."""
        return next((step for step in self.steps if step.verdict is Verdict.OPEN), None)

    @property
    def allowed(self) -> bool:
        """Whether the run may start: all is known, and nothing speaks against it."""
        return all(step.verdict is Verdict.ALLOWED for step in self.steps)

    @property
    def reason(self) -> str:
        """Why not, for the researcher; "" when the run is allowed."""
        step = self.refused or self.open
        return step.reason if step else ""

    @property
    def rule(self) -> str:
        """What of the configuration decided, for the owner."""
        step = self.refused or self.open
        return step.rule if step else "; ".join(step.rule for step in self.steps)


def decide(policy: Policy, request: Request) -> Decision:
    """What the owner's policy says to a request, as far as it is known.

    May be asked with what is known so far, and again when more is: a refusal stays one. Only
    a decision that is `allowed` lets a run start.
    """
    digests = request.digests or ()
    try:
        name = images.canonical(request.image)
    except ValueError as error:
        step = Step("image", Verdict.REFUSED, str(error), "the name of the image")
        return Decision((step,), policy.rules)
    exception = policy.exception(request.image, digests)
    steps = (
        _image(policy, request, name),
        _organization(policy, request.origin),
        _user(policy, request.origin),
        _input(policy, request),
        _method(policy, exception, request),
    )
    return Decision(steps, exception.rules if exception else policy.rules, exception)


def _image(policy: Policy, request: Request, name: str) -> Step:
    if policy.all_images:
        return _allowed("image", f"every image is allowed, so {name} is", "allow_all_images")
    names = spellings(request.image, request.digests or ())
    for pattern in policy.images:
        if matches(pattern, names):
            return _allowed("image", f"{name} is allowed", f"allowed_images: {pattern.pattern}")
    reason = f"The owner of this node does not allow the image {name}"
    if request.digests is None and any(may_match(one, request.image) for one in policy.images):
        return Step("image", Verdict.OPEN, f"{reason} without knowing its digest", "allowed_images")
    return _refused("image", reason, "allowed_images")


def _organization(policy: Policy, origin: Origin) -> Step:
    subject, rule = "organization", "policies.allowed_organizations"
    if policy.organizations is None:
        return _allowed(subject, "every organization is allowed", rule)
    if not (origin.proven or policy.trust_server):
        return _refused(
            subject,
            "The owner of this node allows tasks of some organizations only, and nothing proves "
            "which one this task comes from. Send it signed (a client of this version does so "
            "in encrypted collaborations), or ask the owner of the node to trust the server on "
            "this (`trust_server_identity`)",
            rule,
        )
    if _is_named(policy.organizations, origin.organization_id, origin.organization_name):
        word = "its signature" if origin.proven else "the server"
        return _allowed(subject, f"{_who(origin)} is allowed, and asked as {word} says", rule)
    return _refused(subject, f"The owner of this node does not allow tasks of {_who(origin)}", rule)


def _user(policy: Policy, origin: Origin) -> Step:
    subject, rule = "user", "policies.allowed_users"
    if policy.users is None:
        return _allowed(subject, "every user is allowed", rule)
    if not policy.trust_server:
        return _refused(
            subject,
            "The owner of this node allows tasks of some users only, and nothing proves which "
            "user this task comes from; the owner of the node can decide to trust the server on "
            "this (`trust_server_identity`)",
            rule,
        )
    if origin.user_id is None and origin.user_name is None:
        return _refused(
            subject,
            "The owner of this node allows tasks of some users only, and the server does not say "
            "which user this task comes from",
            rule,
        )
    if _is_named(policy.users, origin.user_id, origin.user_name):
        return _allowed(subject, "the user is allowed, and asked as the server says", rule)
    return _refused(subject, "The owner of this node does not allow tasks of this user", rule)


def _is_named(entries: Sequence[int | str], id_: int | None, name: str | None) -> bool:
    """Whether a list names somebody: numbers are ids, texts names, never one for the other."""
    return any(entry == (id_ if isinstance(entry, int) else name) for entry in entries)


def _who(origin: Origin) -> str:
    if origin.organization_id is None:
        return "an organization that is not known"
    name = f" ({origin.organization_name})" if origin.organization_name else ""
    return f"organization {origin.organization_id}{name}"


def _input(policy: Policy, request: Request) -> Step:
    subject, rule = "input", "allow_pickle"
    if policy.pickle:
        return _allowed(subject, "inputs of any format are taken", rule)
    if request.input is None:
        return Step(subject, Verdict.OPEN, "The format of the input is not known", rule)
    kind = RUNS_CODE.get(request.input.format)
    if kind:
        return _refused(
            subject,
            f"The input is {kind}, which this node does not accept; send it as JSON "
            "(the owner of the node can allow it with `allow_pickle`)",
            rule,
        )
    return _allowed(subject, "nothing in the input runs when it is read", rule)


def _method(policy: Policy, exception: ImageRule | None, request: Request) -> Step:
    subject, rule, methods = "method", "policies.allowed_methods", policy.methods
    if exception and exception.methods is not None:
        rule = f"policies.images: {exception.image.pattern}: allowed_methods"
        methods = exception.methods
    if methods is None:
        return _allowed(subject, "every method is allowed", rule)
    if request.input is None:
        return Step(subject, Verdict.OPEN, "The method that is asked for is not known", rule)
    method = request.input.method
    if method is None:
        return _refused(
            subject,
            "The owner of this node allows some methods only, and which one this input asks for "
            f"cannot be read: {request.input.fault}",
            rule,
        )
    if any(pattern.fullmatch(method) for pattern in methods):
        return _allowed(subject, f"the method {method!r:.100} is allowed", rule)
    return _refused(
        subject, f"The owner of this node does not allow the method {method!r:.100}", rule
    )


def _allowed(subject: str, reason: str, rule: str) -> Step:
    return Step(subject, Verdict.ALLOWED, reason, rule)


def _refused(subject: str, reason: str, rule: str) -> Step:
    return Step(subject, Verdict.REFUSED, reason, rule)
