"""The shell of `vserver shell`: Python with the models of `db` on the database of a server."""

import sys
from types import CodeType

from vantage6.common.context import InstanceContext
from vantage6.server import db, first_run, instance
from vantage6.server.database import Database
from vantage6.server.service import audit

# What is typed may be a password: it is kept in no file.
_IPYTHON = ["--no-banner", "--no-confirm-exit", "--HistoryManager.enabled=False"]
_BANNER = "The models are in `db`, such as db.User.get() and db.User.help(). Ctrl+D ends the shell."


def run(context: InstanceContext, command: str | None) -> None:
    """Open a shell; with a command, or without a terminal, run that or the input instead.

    Parameters
    ----------
    context : InstanceContext
    command : str, optional
        Python.
    """
    url = instance.database_url(context)
    prepared = first_run.prepare(url, context.config["type"])
    instance.hand_out_root_password(prepared)
    audit.keep_in(instance.audit_file(context))
    audit.by_operator()
    audit.record("shell", "success")
    database = Database(url.render_as_string(hide_password=False))
    try:
        with db.opened(database):
            program = _program(command)
            if program:
                exec(program, {"__name__": "__main__", "db": db})
            else:
                _interact()
    finally:
        database.dispose()


def _program(command: str | None) -> CodeType | None:
    if command is not None:
        return compile(command, "<command>", "exec")
    if sys.stdin.isatty():
        return None
    return compile(sys.stdin.read(), "<input>", "exec")


def _interact() -> None:
    # Slow to import, and a script does without.
    from IPython import start_ipython

    print(_BANNER)
    start_ipython(argv=_IPYTHON, user_ns={"db": db})
