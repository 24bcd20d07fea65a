"""Messages for the log of a run; printed at once, since a container may be ended any moment."""


def info(msg: str) -> None:
    """Print something good to know."""
    print(f"info > {msg}", flush=True)


def warn(msg: str) -> None:
    """Print something that needs attention."""
    print(f"warn > {msg}", flush=True)


def error(msg: str) -> None:
    """Print something that went wrong."""
    print(f"error > {msg}", flush=True)
