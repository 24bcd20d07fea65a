from collections.abc import Sequence
from pathlib import Path

import click

from vantage6.common.container.commands import (
    attach_option,
    image_option,
    say,
    show_output,
    source_option,
)
from vantage6.common.context import InstanceContext
from vantage6.server.cli.options import with_instance
from vantage6.server.cli.vserver.options import SERVER, keep_option, showing_root_password


@click.command()
@with_instance
@click.option("--ip", help="The address of this machine to listen on; all of them by default.")
@click.option(
    "-p",
    "--port",
    type=click.IntRange(0, 65535),
    help="The port to listen on, instead of the configured one; 0 picks a free one.",
)
@image_option
@click.option(
    "--rabbitmq-image",
    help="The image of the broker that rabbitmq_uri names as a container; ours by default.",
)
@keep_option
@source_option
@attach_option
@click.pass_context
def start(
    ctx: click.Context,
    context: InstanceContext,
    ip: str | None,
    port: int | None,
    image: str | None,
    rabbitmq_image: str | None,
    keep: bool,
    source: Path | None,
    attach: bool,
) -> None:
    """Start a server in a container, and wait until it answers."""
    from vantage6.common.container import containers
    from vantage6.server import instance
    from vantage6.server.container.deployment import Deployment, Wishes

    api = containers.connect()
    deployment = Deployment(api, context, instance.database_url(context), say)
    _say_what_is_not_used(context, rabbitmq_image, ip)
    with showing_root_password(deployment):
        started = deployment.start(Wishes(image, ip, port, keep, source, rabbitmq_image))
    if started.addresses is None:
        say(f"The server {context.name} starts and does not answer yet; look: vserver attach")
    else:
        click.echo(f"The server {context.name} is running: {_urls(context, started.addresses)}")
    if attach:
        show_output(SERVER, api, started.container, context.name, context.scope)
    elif started.addresses is None:
        ctx.exit(1)


def _urls(context: InstanceContext, addresses: Sequence[str]) -> str:
    path = context.config["api_path"]
    return ", ".join(f"http://{address}{path}" for address in addresses)


def _say_what_is_not_used(
    context: InstanceContext, rabbitmq_image: str | None, ip: str | None
) -> None:
    """Say which wishes have no effect here, so that nobody relies on them."""
    from vantage6.server.container.broker import Address

    uri = context.config.get("rabbitmq_uri")
    if rabbitmq_image and not (uri and Address.from_uri(uri).is_container):
        say("No broker is started, so --rabbitmq-image has no effect: see rabbitmq_uri")
    if ip is None and context.config["ip"] in ("127.0.0.1", "::1", "localhost"):
        say(
            f"The `ip` {context.config['ip']} of the configuration is for vserver-local; the "
            "container is published on all addresses of this machine unless --ip names one"
        )
