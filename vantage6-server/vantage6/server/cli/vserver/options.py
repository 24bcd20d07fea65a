"""Options that several commands of `vserver` share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vantage6.common.cli import choose, scope_option
from vantage6.common.config import ENVIRONMENTS
from vantage6.common.exceptions import ConfigurationError

if TYPE_CHECKING:
    from vantage6.server.container.containers import Running
    from vantage6.server.container.deployment import Deployment

image_option = click.option(
    "-i", "--image", help="The image to run, instead of the configured one."
)
keep_option = click.option(
    "--keep/--auto-remove",
    default=False,
    show_default=True,
    help="Keep the container when it has ended; a server that is kept also starts again by "
    "itself after a crash or with the machine.",
)
source_option = click.option(
    "--mount-src",
    "source",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Use the packages of this checkout instead of those in the image.",
)


def say(text: str) -> None:
    """Tell the operator something beside the output."""
    click.echo(text, err=True)


@contextmanager
def showing_root_password(deployment: "Deployment") -> Iterator[None]:
    """Show the first password of `root` at the end, however that comes about.

    What was made stays made when the server then fails, or nobody waits for it; the password of
    a start that was not waited for is shown by the next.
    """
    from vantage6.server import instance

    try:
        yield
    finally:
        password = deployment.take_root_password()
        if password:
            instance.show_root_password(password)


def name_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name a server of which the configuration is not needed."""
    for option in (
        scope_option(default_system=True),
        click.option(
            "-e",
            "--environment",
            type=click.Choice(ENVIRONMENTS),
            default=None,
            help="Only if it runs in this environment.",
        ),
        click.option(
            "-c",
            "--config",
            type=click.Path(path_type=Path),
            help="Its configuration file; goes before --name.",
        ),
        click.option("-n", "--name", help="The name of the configuration."),
    ):
        command = option(command)
    return command


def with_running(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that name a running server; it receives the engine and that."""

    @name_options
    @wraps(command)
    def run(
        *,
        name: str | None,
        config: Path | None,
        environment: str | None,
        system_folders: bool,
        **options: Any,
    ) -> Any:
        from vantage6.server.container import containers

        api = containers.connect()
        name = config.stem if config else name
        running = select_running(containers.find_all(api), name, environment, system_folders)
        return command(api, running, **options)

    return run


def select_running(
    running: list["Running"], name: str | None, environment: str | None, system_folders: bool
) -> "Running":
    """The running server that is meant; asks where no name says so.

    Raises
    ------
    ConfigurationError
        When it does not run, or nobody can be asked.
    """
    if not running:
        raise ConfigurationError("No server is running in a container")
    if not name:
        shown = {f"{one.name} ({one.environment}, {one.scope})": one for one in running}
        return choose("Which server?", shown, "--name NAME")
    scope = "system" if system_folders else "user"
    named = [one for one in running if one.name == name]
    for one in named:
        if one.scope == scope and environment in (None, one.environment):
            return one
    others = [f"in environment {one.environment!r} with --{one.scope}" for one in named]
    hint = f"; one of that name runs {' and '.join(others)}" if others else ""
    raise ConfigurationError(f"No server {name!r} is running with --{scope}{hint}")
