"""`vnode start`."""

import json
from pathlib import Path

import click

from vantage6.common.cli import json_option
from vantage6.common.container.commands import (
    attach_option,
    image_option,
    say,
    show_output,
    source_option,
)
from vantage6.common.context import InstanceContext
from vantage6.node.cli.options import (
    NODE,
    keep_option,
    replace_public_key_option,
    take_over_option,
    with_instance_or_wizard,
)


@click.command()
@with_instance_or_wizard
@image_option
@keep_option
@click.option(
    "--force-db-mount",
    is_flag=True,
    help="Mount files of databases that are not seen here; the engine may see them.",
)
@click.option(
    "--kill-on-exit",
    is_flag=True,
    help="When it is stopped, kill running containers of tasks instead of leaving them to the "
    "next start.",
)
@replace_public_key_option
@take_over_option
@attach_option
@source_option
@json_option
def start(
    context: InstanceContext,
    image: str | None,
    keep: bool,
    force_db_mount: bool,
    kill_on_exit: bool,
    replace_public_key: bool,
    take_over: bool,
    attach: bool,
    source: Path | None,
    as_json: bool,
) -> None:
    """Start a node in a container, and wait until the server knows it."""
    from vantage6.common.container import containers
    from vantage6.node.container.deployment import Deployment, Wishes

    api = containers.connect()
    once = {"--replace-public-key": replace_public_key, "--take-over": take_over}
    wishes = Wishes(
        image,
        keep,
        force_db_mount,
        source,
        options=("--kill-on-exit",) if kill_on_exit else (),
        once=tuple(option for option, is_given in once.items() if is_given),
    )
    started = Deployment(api, context, say).start(wishes)
    if as_json:
        click.echo(json.dumps({"container": started.container, "ready": started.ready}))
    elif started.ready:
        click.echo(f"The node {context.name} is running: {started.container}")
    else:
        click.echo(
            f"The node {context.name} has started and keeps trying to reach the server; "
            f"look: vnode attach --name {context.name} --{context.scope}"
        )
    if attach:
        show_output(NODE, api, started.container, context.name, context.scope)
