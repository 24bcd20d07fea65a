"""`vnode-local version`."""

import click

from vantage6.common import __version__


@click.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)
