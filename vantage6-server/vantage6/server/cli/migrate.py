import json

import click

from vantage6.common.cli import json_option
from vantage6.common.context import InstanceContext
from vantage6.server.cli.options import with_instance


@click.command()
@with_instance
@click.option(
    "--check", is_flag=True, help="Change nothing; exit with 1 when there is something to apply."
)
@json_option
@click.pass_context
def migrate(ctx: click.Context, context: InstanceContext, check: bool, as_json: bool) -> None:
    """Bring the database to the newest revision; `start` does so by itself."""
    from vantage6.server import instance

    revisions = instance.migrate(context, check=check)
    if as_json:
        click.echo(json.dumps({"pending" if check else "applied": revisions}))
    elif revisions:
        click.echo(("To be applied: " if check else "Applied: ") + ", ".join(revisions))
    else:
        click.echo("The database is at the newest revision")
    ctx.exit(1 if check and revisions else 0)
