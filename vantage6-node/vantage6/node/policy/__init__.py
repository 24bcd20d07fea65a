"""What the owner of the data allows to run: who, which image, which method, with what limits.

`decide` is a pure function of the owner's `Policy` and a `Request`; the start of a run,
`policy explain` and the audit log all speak of the same `Decision`.
"""

from vantage6.node.policy.decision import Decision, NotAllowed, Step, Verdict, decide
from vantage6.node.policy.house import ImageRule, Policy
from vantage6.node.policy.request import Input, Origin, Request, read_input

__all__ = [
    "Decision",
    "ImageRule",
    "Input",
    "NotAllowed",
    "Origin",
    "Policy",
    "Request",
    "Step",
    "Verdict",
    "decide",
    "read_input",
]
