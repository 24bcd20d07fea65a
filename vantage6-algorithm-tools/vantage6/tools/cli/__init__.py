"""The command `v6-algorithm`, for those who write algorithms: start one, and try it."""

import sys


def main() -> None:
    """Run the command; what it needs besides the tools themselves comes with an extra."""
    try:
        import click  # noqa: F401
        import psutil  # noqa: F401
        import rich  # noqa: F401
        import yaml  # noqa: F401
    except ModuleNotFoundError as error:
        sys.exit(
            f"Error: {error.name} is missing; install what this command needs with: "
            "pip install 'vantage6-algorithm-tools[developer]'"
        )
    from vantage6.tools.cli.commands import group

    group()
