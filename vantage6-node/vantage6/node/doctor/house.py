"""What the owner wrote down: the configuration, and what it lets run."""

from collections.abc import Sequence
from pathlib import Path

from vantage6.common.config import warnings_about_keys
from vantage6.common.context import InstanceContext
from vantage6.common.disclosure import Thresholds
from vantage6.common.exceptions import ConfigurationError
from vantage6.common.files import is_open_to_all
from vantage6.node.configuration import NodeSchema
from vantage6.node.configuration_disclosure import own_thresholds
from vantage6.node.doctor.findings import Findings, note, well, wrong
from vantage6.node.image.signature import load_public_key
from vantage6.node.policy import configured

_SHOWN = 5


def configuration(context: InstanceContext) -> Findings:
    """The file: who can read it, and what in it does nothing."""
    subject, path = "configuration", context.config_file
    yield well(subject, f"{path}, environment {context.environment}, can be used")
    yield from readers(subject, path)
    for warning in warnings_about_keys(context.config, NodeSchema()):
        yield note(subject, warning, "Correct the key, or take it out")


def policy(context: InstanceContext) -> Findings:
    """What may run here: nothing, some, or everything."""
    subject, config = "policy", context.config
    owners = configured.policy(config)
    try:
        configured.check_openness(config, context.environment)
    except ConfigurationError as error:
        yield wrong(subject, str(error), "List the images in `allowed_images`")
        return
    if owners.refuses_all:
        yield wrong(
            subject,
            "No image is allowed, so every task will be refused",
            "List the images in `allowed_images`; `vnode policy explain` tells what a list does",
        )
    elif owners.all_images:
        yield note(
            subject, "Every image may run here", "List the images in `allowed_images` instead"
        )
    else:
        yield well(subject, f"Images that may run here: {_listed(config['allowed_images'])}")
    if owners.refuses_all_users:
        yield wrong(
            subject,
            "Some users are allowed only, but only the server knows who asks, and its word does "
            "not count, so every task will be refused",
            "Set `policies.trust_server_identity`, or restrict organizations instead",
        )


def disclosure(context: InstanceContext) -> Findings:
    """What algorithms may tell about few people, where that is not as by default."""
    config, usual = context.config, vars(Thresholds())
    named = {"": config["disclosure"]} | {
        f" for {entry['image']}": own_thresholds(entry["disclosure"])
        for entry in config["policies"]["images"]
    }
    for whom, chosen in named.items():
        other = [f"{name} {value}" for name, value in chosen.items() if value != usual[name]]
        if other or not whom:
            told = f"Other than by default{whom}: {', '.join(other)}" if other else "As by default"
            yield well("disclosure", told)


def signatures(context: InstanceContext) -> Findings:
    """Every key of `required_signatures`: whether signatures could be checked with it."""
    for name in context.config["required_signatures"]:
        subject, path = "signatures", context.data_dir / Path(name).expanduser()
        try:
            load_public_key(path)
        except ConfigurationError as error:
            yield wrong(
                subject,
                str(error),
                "Name the public half (PEM) of the key of those who sign the images",
            )
        else:
            yield well(subject, f"{path} can be used to check images")


def _listed(patterns: Sequence[str]) -> str:
    """The first few of a list, and how many more there are."""
    more = len(patterns) - _SHOWN
    shown = ", ".join(patterns[:_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown


def readers(subject: str, path: Path) -> Findings:
    """Whether everybody on this machine can read a secret."""
    if is_open_to_all(path):
        yield note(
            subject, f"{path} holds a secret and everybody here can read it", f"chmod 600 {path}"
        )
