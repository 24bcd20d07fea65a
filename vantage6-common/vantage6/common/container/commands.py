"""What the commands `vserver` and `vnode` have in common.

The library of the engine is loaded by those commands that need it, when they run.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vantage6.common import __version__
from vantage6.common.cli import Online, choose, json_option, scope_option
from vantage6.common.config import ENVIRONMENTS
from vantage6.common.context import Kind
from vantage6.common.exceptions import ConfigurationError

if TYPE_CHECKING:
    from vantage6.common.container.containers import Running

Command = TypeVar("Command", bound=Callable[..., Any])
Stop = Callable[[Any, "Running", bool], None]

image_option = click.option(
    "-i", "--image", help="The image to run, instead of the configured one."
)
source_option = click.option(
    "--mount-src",
    "source",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Use the packages of this checkout instead of those in the image.",
)
attach_option = click.option(
    "--attach/--detach", default=False, show_default=True, help="Show what it prints, from then on."
)


@dataclass(frozen=True)
class Product:
    """What a program runs in containers.

    Attributes
    ----------
    kind : {"server", "node"}
        Also the value of the label that marks its containers.
    program : str
        Whose commands these are.
    inside : str
        The program in the container.
    of_system : bool
        Whether it mostly uses the folders of the system.
    """

    kind: Kind
    program: str
    inside: str
    of_system: bool


def say(text: str) -> None:
    """Tell the operator something beside the output."""
    click.echo(text, err=True)


def keep_option(product: Product) -> Callable[[Command], Command]:
    """Whether a container stays when it has ended."""
    return click.option(
        "--keep/--auto-remove",
        default=False,
        show_default=True,
        help=f"Keep the container when it has ended; a {product.kind} that is kept also starts "
        "again by itself after a crash or with the machine.",
    )


def name_options(product: Product) -> Callable[[Command], Command]:
    """The options that name an instance of which the configuration is not needed."""

    def decorate(command: Command) -> Command:
        for option in (
            scope_option(default_system=product.of_system),
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

    return decorate


def with_running(product: Product) -> Callable[[Command], Callable[..., Any]]:
    """Give a command the options that name what runs; it receives the engine and that."""

    def decorate(command: Command) -> Callable[..., Any]:
        @name_options(product)
        @wraps(command)
        def run(
            *,
            name: str | None,
            config: Path | None,
            environment: str | None,
            system_folders: bool,
            **options: Any,
        ) -> Any:
            from vantage6.common.container import containers

            api = containers.connect()
            found = containers.find_all(api, product.kind)
            name = config.stem if config else name
            running = select_running(product, found, name, environment, system_folders)
            return command(api, running, **options)

        return run

    return decorate


def select_running(
    product: Product,
    running: list["Running"],
    name: str | None,
    environment: str | None,
    system_folders: bool,
) -> "Running":
    """The one that is meant among those that run; asks where no name says so.

    Raises
    ------
    ConfigurationError
        When it does not run, or nobody can be asked.
    """
    if not running:
        raise ConfigurationError(f"No {product.kind} is running in a container")
    if not name:
        shown = {f"{one.name} ({one.environment}, {one.scope})": one for one in running}
        return choose(f"Which {product.kind}?", shown, "--name NAME")
    scope = "system" if system_folders else "user"
    named = [one for one in running if one.name == name]
    for one in named:
        if one.scope == scope and environment in (None, one.environment):
            return one
    others = [f"in environment {one.environment!r} with --{one.scope}" for one in named]
    hint = f"; one of that name runs {' and '.join(others)}" if others else ""
    raise ConfigurationError(f"No {product.kind} {name!r} is running with --{scope}{hint}")


def find_online(product: Product) -> list[Online]:
    """Those that run in containers, for the command `list`."""
    from vantage6.common.container import containers

    return [
        Online(one.name, one.scope, one.environment, one.config)
        for one in containers.find_all(containers.connect(), product.kind)
        if one.is_up
    ]


def attach_command(product: Product) -> click.Command:
    """The command `attach`."""

    @click.command(help=f"Show what a {product.kind} prints; Ctrl+C leaves it running.")
    @with_running(product)
    def attach(api: Any, running: "Running") -> None:
        show_output(product, api, running.id, running.name, running.scope)

    return attach


def show_output(product: Product, api: Any, container: str, name: str, scope: str) -> None:
    """Show what a container prints until it ends, or the operator has seen enough."""
    from vantage6.common.container import containers

    output = sys.stdout.buffer
    try:
        for piece in containers.follow(api, container):
            output.write(piece)
            output.flush()
    except KeyboardInterrupt:
        stop = f"{product.program} stop --name {name} --{scope}"
        say(f"\nThe {product.kind} runs on; stop it with: {stop}")
    else:
        say(f"The {product.kind} has stopped")


def stop_command(product: Product, stop_one: Stop, description: str) -> click.Command:
    """The command `stop`.

    Parameters
    ----------
    product : Product
    stop_one : callable
        Stops one, at once when told so.
    description : str
    """

    @click.command(help=description)
    @name_options(product)
    @click.option(
        "--all", "everything", is_flag=True, help=f"Stop all {product.kind}s on this machine."
    )
    @click.option("--force", is_flag=True, help="Kill it at once, whatever it is doing.")
    @json_option
    def stop(
        name: str | None,
        config: Path | None,
        environment: str | None,
        system_folders: bool,
        everything: bool,
        force: bool,
        as_json: bool,
    ) -> None:
        from vantage6.common.container import containers

        api = containers.connect()
        running = containers.find_all(api, product.kind)
        if running and not everything:
            name = config.stem if config else name
            running = [select_running(product, running, name, environment, system_folders)]
        elif not running:
            say(f"No {product.kind} is running in a container")
        for one in running:
            stop_one(api, one, force)
            if not as_json:
                click.echo(f"Stopped the {product.kind} {one.name} ({one.scope})")
        if as_json:
            stopped = [{"name": one.name, "scope": one.scope} for one in running]
            click.echo(json.dumps({"stopped": stopped}))

    return stop


def version_command(product: Product) -> click.Command:
    """The command `version`."""

    @click.command(help=f"Show the versions of a running {product.kind} and of this command.")
    @with_running(product)
    @json_option
    def version(api: Any, running: "Running", as_json: bool) -> None:
        from vantage6.common.container import terminal

        code, printed = terminal.output_of(api, running.id, [product.inside, "version"])
        if code:
            raise ConfigurationError(
                f"The {product.kind} {running.name!r} does not say: {printed.strip()}"
            )
        versions = {product.kind: printed.strip(), "cli": __version__}
        click.echo(json.dumps(versions) if as_json else str(versions))

    return version
