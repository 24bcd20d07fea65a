"""`vnode-local policy`."""

import json
import sys
from collections.abc import Sequence

import click

from vantage6.common.cli import json_option
from vantage6.common.context import InstanceContext
from vantage6.common.serialization import JSON, PICKLE
from vantage6.node.cli.options import with_instance
from vantage6.node.databases import DEFAULT_LABEL
from vantage6.node.policy import Input, Origin, Request
from vantage6.node.policy.explain import explain as explain_request


@click.group()
def policy() -> None:
    """See what the policy of a node lets run."""


@policy.command()
@with_instance
@click.option("--image", required=True, help="As a task would name it.")
@click.option("--digest", "digests", multiple=True, help="What is behind its tag: sha256:…")
@click.option(
    "--organization", "organizations", multiple=True, metavar="NAME|ID",
    help="Who asks: a number is an id. Repeat it to give both.",
)  # fmt: skip
@click.option(
    "--user", "users", multiple=True, metavar="NAME|ID", help="The user who asks, likewise."
)
@click.option("--method", help="What the input asks for.")
@click.option("--pickle", "pickled", is_flag=True, help="The input is a pickle.")
@click.option(
    "--proven/--unproven",
    default=False,
    show_default=True,
    help="Whether the input is signed by the organization.",
)
@click.option("--database", default=DEFAULT_LABEL, show_default=True, help="Label in the task.")
@json_option
def explain(
    context: InstanceContext,
    image: str,
    digests: Sequence[str],
    organizations: Sequence[str],
    users: Sequence[str],
    method: str | None,
    pickled: bool,
    proven: bool,
    database: str,
    as_json: bool,
) -> None:
    """Tell what would happen to a run, and why; the exit code is 0 if it would start."""
    organization_id, organization_name = _id_and_name(organizations)
    user_id, user_name = _id_and_name(users)
    request = Request(
        image,
        Origin(organization_id, organization_name, user_id, user_name, proven),
        _input(method, pickled),
        digests or None,
    )
    explanation = explain_request(context.config, request, database)
    if as_json:
        click.echo(json.dumps(explanation.as_json(), indent=2))
    else:
        for line in explanation.lines():
            click.echo(line)
    sys.exit(0 if explanation.decision.allowed else 1)


def _id_and_name(given: Sequence[str]) -> tuple[int | None, str | None]:
    """Numbers are ids, all else is a name; the last of each counts."""
    ids = [int(text) for text in given if text.isdecimal()]
    names = [text for text in given if not text.isdecimal()]
    return (ids[-1] if ids else None), (names[-1] if names else None)


def _input(method: str | None, pickled: bool) -> Input:
    fault = "" if method else "no --method was given"
    return Input(PICKLE if pickled else JSON, None if pickled else method, fault)
