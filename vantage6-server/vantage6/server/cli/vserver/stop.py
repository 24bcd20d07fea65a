from pathlib import Path

import click

from vantage6.server.cli.vserver.options import name_options, say, select_running


@click.command()
@name_options
@click.option("--all", "everything", is_flag=True, help="Stop all servers on this machine.")
def stop(
    name: str | None,
    config: Path | None,
    environment: str | None,
    system_folders: bool,
    everything: bool,
) -> None:
    """Stop a server; requests that it is answering are answered."""
    from vantage6.server.container import containers

    api = containers.connect()
    running = containers.find_all(api)
    if not running:
        say("No server is running in a container")
        return
    if not everything:
        name = config.stem if config else name
        running = [select_running(running, name, environment, system_folders)]
    for one in running:
        containers.stop(api, one)
        click.echo(f"Stopped the server {one.name} ({one.scope})")
