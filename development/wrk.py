"""The load client of the benchmarks: `wrk` of Debian, so that the client is never what is slow."""

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass

from development import debian
from development.console import SetupError, last_line

PACKAGE = "wrk"
CONNECTIONS = 4
#: What wrk runs at its end; it tells percentiles in microseconds.
REPORT = """
done = function(summary, latency, requests)
    local errors = summary.errors
    -- a server that ends a connection after each answer makes wrk count a failure to read
    local failed = errors.connect + errors.status + errors.timeout
    io.write(string.format(
        '\\n{"requests": %d, "microseconds": %d, "failed": %d, "median": %f, "p95": %f}\\n',
        summary.requests, summary.duration, failed,
        latency:percentile(50), latency:percentile(95)))
end
"""


@dataclass(frozen=True)
class Load:
    """What a server did under load.

    Attributes
    ----------
    requests : int
    per_second : float
    median_ms, p95_ms : float
        How long one request took.
    """

    requests: int
    per_second: float
    median_ms: float
    p95_ms: float


def install() -> str:
    """Return the program, installed where it is missing and we may."""
    if shutil.which(PACKAGE) is None and debian.is_ours():
        debian.install(PACKAGE)
    program = shutil.which(PACKAGE)
    if program is None:
        raise SetupError("wrk is not installed, and only root on Debian can have that done")
    return program


def get(url: str, token: str, seconds: float, connections: int = CONNECTIONS) -> Load:
    """Ask for one address again and again, on connections that stay open.

    Raises
    ------
    SetupError
        When a request failed: the speed of refusals says nothing.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(REPORT)
        script.flush()
        command = [install(), "--threads", "1", "--connections", str(connections)]
        command += ["--duration", f"{seconds:.0f}s", "--timeout", "30s", "--script", script.name]
        command += ["--header", f"Authorization: Bearer {token}", url]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SetupError(f"wrk failed: {last_line(done.stdout + done.stderr)}")
    told = json.loads(done.stdout.strip().rpartition("\n")[2])
    if told["failed"] or not told["requests"]:
        raise SetupError(f"{told['failed']} requests to {url} failed under load")
    return Load(
        told["requests"],
        told["requests"] / (told["microseconds"] / 1e6),
        told["median"] / 1e3,
        told["p95"] / 1e3,
    )
