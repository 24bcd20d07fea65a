import sys
from pathlib import Path

import click

from vantage6.common.cli import json_option
from vantage6.common.container.commands import image_option, say, source_option
from vantage6.common.context import InstanceContext
from vantage6.server.cli.options import (
    drop_all_option,
    import_argument,
    with_instance,
)
from vantage6.server.cli.vserver.options import keep_option, showing_root_password


@click.command("import")
@with_instance
@import_argument
@drop_all_option
@image_option
@source_option
@keep_option
@json_option
@click.pass_context
def import_file(
    ctx: click.Context,
    context: InstanceContext,
    file: Path,
    drop_all: bool,
    image: str | None,
    source: Path | None,
    keep: bool,
    as_json: bool,
) -> None:
    """Add the organizations, users, collaborations and nodes in FILE to the database."""
    from vantage6.common.container import containers
    from vantage6.server import instance
    from vantage6.server.container.deployment import Deployment, Wishes

    api = containers.connect()
    deployment = Deployment(api, context, instance.database_url(context), say)
    flags = {"--drop-all": drop_all, "--json": as_json}
    with showing_root_password(deployment):
        code = deployment.import_file(
            Wishes(image=image, keep=keep, source=source),
            file,
            [flag for flag, is_given in flags.items() if is_given],
            sys.stdout.buffer,
            sys.stderr.buffer,
        )
    ctx.exit(code)
