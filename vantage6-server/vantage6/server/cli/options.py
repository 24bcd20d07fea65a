"""Options that several commands of the server share."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from vantage6.common.cli import instance_options, select_context
from vantage6.server.container.inside import where_we_are

Command = TypeVar("Command", bound=Callable[..., Any])


def with_instance(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that name a server; it receives the server's context."""

    @instance_options(default_environment="prod", default_system=True)
    @wraps(command)
    def run(
        *,
        name: str | None,
        config: str | None,
        environment: str,
        system_folders: bool,
        **options: Any,
    ) -> Any:
        # Not at import: the schema brings the database library, which few commands need.
        from vantage6.server.configuration import ServerSchema

        context = select_context(
            "server",
            ServerSchema(),
            name=name,
            config=config,
            environment=environment,
            system_folders=system_folders,
        )
        return command(where_we_are(context), **options)

    return run


import_argument = click.argument(
    "file", type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
drop_all_option = click.option(
    "--drop-all",
    is_flag=True,
    help="Drop all tables first; only where the configuration has allow_drop_all.",
)
root_password_option = click.option(
    "--root-password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Leave the first password of root in this file instead of showing it.",
)
