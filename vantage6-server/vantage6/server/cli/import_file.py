import json
from pathlib import Path

import click

from vantage6.common.cli import json_option
from vantage6.common.context import InstanceContext
from vantage6.server.cli.options import (
    drop_all_option,
    import_argument,
    root_password_option,
    with_instance,
)


@click.command("import")
@with_instance
@import_argument
@drop_all_option
@root_password_option
@json_option
def import_file(
    context: InstanceContext,
    file: Path,
    drop_all: bool,
    root_password_file: Path | None,
    as_json: bool,
) -> None:
    """Add the organizations, users, collaborations and nodes in FILE to the database."""
    from vantage6.server import instance

    imported = instance.import_file(
        context, file, drop=drop_all, root_password_file=root_password_file
    )
    if as_json:
        click.echo(json.dumps(imported))
    else:
        click.echo("Imported " + ", ".join(f"{count} {kind}" for kind, count in imported.items()))
