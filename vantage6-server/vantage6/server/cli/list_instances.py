import json

import click

from vantage6.common.cli import describe
from vantage6.common.context import Available, available
from vantage6.server.cli.options import json_option


@click.command("list")
@json_option
def list_instances(as_json: bool) -> None:
    """List the configurations of servers on this machine."""
    found = [*available("server", system_folders=True), *available("server", system_folders=False)]
    if as_json:
        click.echo(json.dumps([describe(instance) for instance in found]))
    else:
        _print_table(found)


def _print_table(found: list[Available]) -> None:
    usable = [instance for instance in found if instance.environments]
    click.echo(f"{'Name':25}{'Environments':35}System/User")
    for instance in usable:
        scope = describe(instance)["scope"]
        click.echo(f"{instance.name:25}{', '.join(instance.environments):35}{scope}")
    click.echo(f"Number of failed imports: {len(found) - len(usable)}")
    for instance in found:
        if instance.fault:
            click.echo(f"  {instance.fault}")
