"""What `v6-algorithm` can be told: parse, call, print."""

import sys
from pathlib import Path

import click

from vantage6.common import __version__
from vantage6.common.cli import FriendlyGroup
from vantage6.tools.cli import scaffold
from vantage6.tools.cli.trial import Trial


@click.group(cls=FriendlyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="v6-algorithm")
def group() -> None:
    """Start a federated algorithm, and try it on this machine."""


@group.command()
@click.argument("name", required=False)
@click.option("-d", "--description", help="What it computes, in one sentence.")
@click.option(
    "-f",
    "--folder",
    type=click.Path(path_type=Path),
    help="Where it goes; a folder of its name here where nothing is said.",
)
def new(name: str | None, description: str | None, folder: Path | None) -> None:
    """Write the package of a new algorithm NAME.

    It has a central and a federated function, a Dockerfile, tests, sample data and a README, and
    works as it is.
    """
    name = name or _ask("Its name", "NAME")
    names = scaffold.names_of(name)
    made = scaffold.write(names, folder or Path(names.distribution), description)
    click.echo(f"{made} holds the algorithm {names.distribution}. Try it: v6-algorithm test {made}")


@group.command()
@click.argument(
    "folder",
    default=".",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option("--mock-only", is_flag=True, help="Do without containers.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=300,
    show_default=True,
    help="Seconds that one question may take in containers.",
)
def test(folder: Path, mock_only: bool, timeout: float) -> None:
    """Try the algorithm in FOLDER, which is this one where nothing is said.

    Runs its tests, asks the questions of its pyproject.toml on a mock, then builds its image,
    asks them on a federation of a server and a node for each site, and compares the answers.
    The exit code is 0 when all of it went well.
    """
    trial = Trial(folder.resolve(), timeout, click.echo)
    if not trial.run(mock_only):
        sys.exit(1)


def _ask(question: str, argument: str) -> str:
    if not sys.stdin.isatty():
        raise click.UsageError(f"Missing argument '{argument}'.")
    return str(click.prompt(question))
