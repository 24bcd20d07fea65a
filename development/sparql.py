"""A SPARQL endpoint of our own for tests: Virtuoso of Debian's packages, private and soon gone.

It runs in a folder of its own, on free ports of loopback, as many side by side as need be.
"""

import os
import signal
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from development import programs
from development.console import SetupError, last_line, main, wait_for_signal
from development.ports import LOOPBACK, free_port

PROGRAM = programs.Program("virtuoso-t", "virtuoso-opensource-7-bin")
ADMINISTRATION = "isql-vt"
#: A port that was free may be taken until the server listens on it.
ATTEMPTS = 5
POLL_SECONDS = 0.05
_INI = """
[Database]
DatabaseFile = {folder}/virtuoso.db
ErrorLogFile = {folder}/virtuoso.log
LockFile = {folder}/virtuoso.lck
TransactionFile = {folder}/virtuoso.trx
xa_persistent_file = {folder}/virtuoso.pxa
[TempDatabase]
DatabaseFile = {folder}/virtuoso-temp.db
TransactionFile = {folder}/virtuoso-temp.trx
[Parameters]
ServerPort = {host}:{sql_port}
DirsAllowed = {folder}
NumberOfBuffers = 2000
MaxDirtyBuffers = 1200
MaxCheckpointRemap = 2000
[HTTPServer]
ServerPort = {host}:{port}
ServerRoot = {folder}
ServerThreads = 10
[SPARQL]
ResultSetMaxRows = 10000
"""


class Endpoint:
    """A running endpoint.

    Attributes
    ----------
    port : int
        Where it listens on loopback.
    uri : str
        Where it is asked.
    """

    def __init__(self, port: int, sql_port: int) -> None:
        self.port, self._sql_port = port, sql_port
        self.uri = f"http://{LOOPBACK}:{port}/sparql"

    def ask(self, query: str) -> bytes:
        """Return the answer to a query, as CSV."""
        content = urllib.parse.urlencode({"query": query, "format": "text/csv"}).encode()
        with urllib.request.urlopen(self.uri, content) as answer:
            told: bytes = answer.read()
        return told

    def insert(self, graph: str, triples: str) -> None:
        """Put triples, as in Turtle, into a graph; the endpoint itself lets nobody write."""
        statement = f"SPARQL INSERT DATA {{ GRAPH <{graph}> {{ {triples} }} }}"
        told = subprocess.run(
            [ADMINISTRATION, f"{LOOPBACK}:{self._sql_port}", "dba", "dba", f"exec={statement};"],
            capture_output=True,
            text=True,
            check=False,
        )
        if told.returncode or "Error" in told.stderr + told.stdout:
            raise SetupError(f"Virtuoso did not take it: {last_line(told.stderr + told.stdout)}")


@contextmanager
def serve() -> Iterator[Endpoint]:
    """Run an endpoint as long as the block does; what is in it goes with it."""
    program = PROGRAM.install()
    with tempfile.TemporaryDirectory(prefix="vantage6-sparql-") as folder:
        process, endpoint = _start(program, Path(folder))
        try:
            yield endpoint
        finally:
            _stop(process)


def _start(program: str, folder: Path) -> tuple[subprocess.Popen[bytes], Endpoint]:
    log = folder / "output"
    for _ in range(ATTEMPTS):
        ports = {"port": free_port(), "sql_port": free_port()}
        ini = folder / "virtuoso.ini"
        ini.write_text(_INI.format(folder=folder, host=LOOPBACK, **ports))
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", "--", program, "-f", "-c", str(ini)],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for us, who stop it when nobody needs it any more
                start_new_session=True,
            )
        endpoint = Endpoint(**ports)
        try:
            if _answers(process, endpoint):
                return process, endpoint
        except BaseException:
            _stop(process)
            raise
    raise SetupError(f"Virtuoso does not start: {last_line(log.read_text(errors='replace'))}")


def _answers(process: subprocess.Popen[bytes], endpoint: Endpoint) -> bool:
    """Wait until an endpoint answers; False when its server ended instead."""
    while True:
        try:
            endpoint.ask("SELECT 1 AS ?one WHERE {}")
            return process.poll() is None
        except (urllib.error.URLError, ConnectionError):
            try:
                process.wait(POLL_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server at once: nobody will want what it holds."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def run_until_stopped() -> None:
    """Run an endpoint for whoever needs one by hand, and print where it is."""
    with serve() as endpoint:
        print(endpoint.uri, flush=True)
        wait_for_signal()


if __name__ == "__main__":
    main(run_until_stopped)
