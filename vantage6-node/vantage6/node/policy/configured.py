"""From the configuration of a node to the policy of its owner."""

import hashlib
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from vantage6.common.disclosure import Thresholds
from vantage6.common.exceptions import ConfigurationError
from vantage6.common.text import canonical_json
from vantage6.node.configuration_blocks import LimitsSchema
from vantage6.node.configuration_disclosure import own_thresholds
from vantage6.node.policy.house import ImageRule, Patterns, Policy
from vantage6.node.rules import Limits, Rules

log = logging.getLogger(__name__)

_PRODUCTION = "prod"

# What of a configuration decides about runs
_KEYS = (
    "allowed_images",
    "allow_all_images",
    "allow_pickle",
    "required_signatures",
    "allowed_destinations",
    "algorithm_env",
    "algorithm_logs",
    "databases",
    "disclosure",
    "limits",
    "policies",
)


def policy(config: Mapping[str, Any]) -> Policy:
    """What the owner allows to run, and what containers get."""
    policies, rules = config["policies"], _rules(config)
    return Policy(
        images=_patterns(config["allowed_images"] or ()),
        all_images=config["allow_all_images"],
        pickle=config["allow_pickle"],
        organizations=_names(policies["allowed_organizations"]),
        users=_names(policies["allowed_users"]),
        methods=_optional(policies["allowed_methods"]),
        trust_server=policies["trust_server_identity"],
        rules=rules,
        exceptions=tuple(_exception(entry, config, rules) for entry in policies["images"]),
    )


def _rules(config: Mapping[str, Any]) -> Rules:
    """What containers get, unless there is an exception for their image."""
    return Rules(
        limits=_limits(config["limits"]),
        # Our wrapper refuses pickles by itself unless the node says that they are welcome.
        environment={
            "ALLOW_PICKLE": str(config["allow_pickle"]).lower(),
            **config["algorithm_env"],
            **Thresholds(**config["disclosure"]).variables(),
        },
        destinations=tuple(config["allowed_destinations"]),
    )


def _limits(loaded: Mapping[str, Any]) -> Limits:
    return Limits(**{field.name: loaded[field.name] for field in fields(Limits)})


def _exception(entry: Mapping[str, Any], config: Mapping[str, Any], rules: Rules) -> ImageRule:
    """One entry of `policies.images`; what it leaves out is as for every other image."""
    limits = {**config["limits"], **LimitsSchema(partial=True).load(entry["limits"])}
    told = Thresholds(**{**config["disclosure"], **own_thresholds(entry["disclosure"])})
    return ImageRule(
        image=re.compile(entry["image"]),
        methods=_optional(entry["allowed_methods"]),
        rules=Rules(
            limits=_limits(limits),
            environment={**rules.environment, **told.variables()},
            run_as=entry["run_as"],
            writable_root=entry["writable_root"],
            writable_database=entry["writable_database"],
            databases=tuple(entry["databases"]),
            gpu=entry["gpu"],
            destinations=rules.destinations,
        ),
    )


def _patterns(texts: Iterable[str]) -> Patterns:
    return tuple(re.compile(text) for text in texts)


def _optional(texts: Iterable[str] | None) -> Patterns | None:
    return None if texts is None else _patterns(texts)


def _names(entries: Iterable[int | str] | None) -> tuple[int | str, ...] | None:
    return None if entries is None else tuple(entries)


def check_openness(config: Mapping[str, Any], environment: str) -> None:
    """Say loudly when anything may run here; in the environment `prod` it may not.

    Raises
    ------
    ConfigurationError
        When it is so in `prod`.
    """
    if not policy(config).allows_anything:
        return
    if environment == _PRODUCTION:
        raise ConfigurationError(
            "Every image may run here, and this is the environment `prod`: name the images in "
            "`allowed_images`, and take `allow_all_images` out"
        )
    log.critical(
        "EVERY IMAGE MAY RUN HERE, ON ALL DATABASES OF THIS NODE: `allow_all_images` is set, or "
        "a pattern in `allowed_images` matches everything"
    )


def fingerprint(config: Mapping[str, Any]) -> str:
    """What tells one policy from another, for the audit log."""
    said = {key: config[key] for key in _KEYS}
    return hashlib.sha256(canonical_json(said)).hexdigest()
