"""What would happen to a run and why, for the owner: the decision, and what a container gets."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from vantage6.common.disclosure import Thresholds
from vantage6.node.databases import DEFAULT_LABEL
from vantage6.node.policy.configured import policy
from vantage6.node.policy.decision import Decision, decide
from vantage6.node.policy.request import Request
from vantage6.node.rules import Rules

_UNITS = ((2**30, "g"), (2**20, "m"), (2**10, "k"))
_BYTES = ("memory", "output", "disk", "tmp")


@dataclass(frozen=True)
class Explanation:
    """A decision, and what the container would get.

    Attributes
    ----------
    decision : Decision
    container : dict
        By what it is about, in words for a reader.
    """

    decision: Decision
    container: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        exception = self.decision.exception
        return {
            "allowed": self.decision.allowed,
            "reason": self.decision.reason,
            "steps": [
                {**asdict(step), "verdict": step.verdict.value} for step in self.decision.steps
            ],
            "exception": exception.image.pattern if exception else None,
            "container": self.container,
        }

    def lines(self) -> Iterator[str]:
        """The same for people."""
        for step in self.decision.steps:
            yield f"{step.subject:<13} {step.verdict.value:<14} {step.reason}"
            yield f"{'':<28} ({step.rule})"
        yield ""
        if not self.decision.allowed:
            yield f"It would not run: {self.decision.reason}"
            return
        exception = self.decision.exception
        because = f", as `policies.images` says for {exception.image.pattern}" if exception else ""
        yield f"It would run{because}. Its container gets:"
        for name, value in self.container.items():
            for number, text in enumerate(value if isinstance(value, list) else [value]):
                yield f"  {'' if number else name:<15} {text}"


def explain(config: Mapping[str, Any], request: Request, label: str) -> Explanation:
    """What would happen to a run.

    Parameters
    ----------
    config : mapping
        That of the node.
    request : Request
    label : str
        Of the database that the task names.
    """
    decision = decide(policy(config), request)
    return Explanation(decision, _container(config, decision, label))


def _container(config: Mapping[str, Any], decision: Decision, label: str) -> dict[str, Any]:
    rules = decision.rules
    return {
        **{name: _limit(name, value) for name, value in asdict(rules.limits).items()},
        "user": rules.run_as or "the one that the image names",
        "root": "may be written" if rules.writable_root else "read-only",
        "gpu": "all" if rules.gpu else "none",
        "mounts": list(_mounts(config, decision, label)),
        "variables": sorted(rules.environment),
        "reaches": [*rules.destinations, *(config["docker_services"] or {})]
        or "nothing but its server, through this node, and databases that are addresses",
        "disclosure": [f"{name}: {value}" for name, value in _thresholds(rules)],
        "logs sent": config["algorithm_logs"],
    }


def _thresholds(rules: Rules) -> Iterable[tuple[str, Any]]:
    return vars(Thresholds.from_environment(rules.environment)).items()


def _mounts(config: Mapping[str, Any], decision: Decision, label: str) -> Iterator[str]:
    yield "/mnt/data: a folder of its own, that it may write"
    yield "/mnt/data/task-…: its input and token, read-only; its output"
    yield "/mnt/tmp: what it shares with runs of the same image and the same task tree, writable"
    access = "a copy that it may change" if decision.rules.writable_database else "read-only"
    known = {name.lower() for name in config["databases"]}
    for name in dict.fromkeys((label, *decision.rules.databases)):
        if name.lower() in known:
            yield f"the database {name!r}, {access}"
        elif name == label and DEFAULT_LABEL in known:
            yield f"the database {DEFAULT_LABEL!r}, {access}, since there is none named {name!r}"
        else:
            yield f"no database {name!r}: there is none, so the run would fail"


def _limit(name: str, value: float | None) -> str:
    if value is None:
        return "no limit"
    if name == "time":
        return f"{value:.0f} seconds"
    return _size(int(value)) if name in _BYTES else f"{value:g}"


def _size(size: int) -> str:
    """A number of bytes as the configuration would say it."""
    for unit, letter in _UNITS:
        if size >= unit and size % unit == 0:
            return f"{size // unit}{letter}"
    return str(size)
