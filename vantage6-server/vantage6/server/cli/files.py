import json

import click

from vantage6.common.context import InstanceContext
from vantage6.server.cli.options import json_option, with_instance


@click.command()
@with_instance
@json_option
def files(context: InstanceContext, as_json: bool) -> None:
    """Show where a server keeps its configuration, log and data."""
    from vantage6.server import instance

    database = instance.database_url(context).render_as_string(hide_password=True)
    shown = {
        "configuration": str(context.config_file),
        "log": str(context.log_file),
        "data": str(context.data_dir),
        "database": database,
    }
    if as_json:
        click.echo(json.dumps(shown))
    else:
        for what, where in shown.items():
            click.echo(f"{what:14}{where}")
