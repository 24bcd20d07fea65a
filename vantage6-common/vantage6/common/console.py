"""Coloured one-line messages for terminals: the classic `[info] - …` form."""

import logging

import click


class Fore:
    """ANSI foreground colours, under the names scripts know."""

    BLACK, RED, GREEN, YELLOW = "\x1b[30m", "\x1b[31m", "\x1b[32m", "\x1b[33m"
    BLUE, MAGENTA, CYAN, WHITE = "\x1b[34m", "\x1b[35m", "\x1b[36m", "\x1b[37m"
    RESET = "\x1b[39m"


class Style:
    """ANSI text styles, under the names scripts know."""

    BRIGHT, DIM, NORMAL, RESET_ALL = "\x1b[1m", "\x1b[2m", "\x1b[22m", "\x1b[0m"


_COLOURS = {"error": "red", "warn": "yellow", "info": "green", "debug": "cyan"}


def echo(msg: str, level: str = "info") -> None:
    """Print `msg` behind its level; click drops the colour where there is no terminal."""
    click.echo(f"[{click.style(f'{level:5}', fg=_COLOURS.get(level))}] - {msg}")


def info(msg: str) -> None:
    """Print something good to know."""
    echo(msg, "info")


def warning(msg: str) -> None:
    """Print something that needs attention."""
    echo(msg, "warn")


def error(msg: str) -> None:
    """Print something that went wrong."""
    echo(msg, "error")


def debug(msg: str) -> None:
    """Print a detail."""
    echo(msg, "debug")


class ClickLogger:
    """A stand-in for a logger that prints to the terminal."""

    info = staticmethod(info)
    warn = staticmethod(warning)
    warning = staticmethod(warning)
    error = staticmethod(error)
    critical = staticmethod(error)
    debug = staticmethod(debug)

    @staticmethod
    def log(level: int, msg: str) -> None:
        """Print `msg` at a level of the logging module."""
        echo(msg, logging.getLevelName(level).lower())
