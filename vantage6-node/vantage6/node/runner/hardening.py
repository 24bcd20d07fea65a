"""What containers are denied, and how much they may use, in the words of the engine.

Pure functions. An algorithm writes to its mounted folders, and to a few in its memory; to
nothing else, so that whatever it leaves is found in places that somebody counts and removes.
See `docs/explanation/decisions/0019-what-confines-an-algorithm.md`.
"""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from docker.types import DeviceRequest, Ulimit

from vantage6.node.rules import Limits

# Log of one container on the engine's disk; an algorithm must not fill it.
_LOG_OPTIONS = {"max-size": "10m", "max-file": "2"}
# What engines give at least, also those of a user; one that is asked for more starts nothing.
_OPEN_FILES = 4096
# Where memory runs out on the machine, algorithms are stopped before the node and the engine.
_STOPPED_FIRST = 500

#: Folders that programs expect to be able to write to.
SCRATCH = (PurePosixPath("/tmp"), PurePosixPath("/var/tmp"), PurePosixPath("/run"))
_SMALLEST_FILE = 4096


def hardening(limits: Limits) -> dict[str, Any]:
    """What every container is denied, ours included."""
    return {
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "ipc_mode": "private",
        "mem_limit": limits.memory,
        "memswap_limit": limits.memory,
        "nano_cpus": int(limits.cpus * 1e9),
        "pids_limit": limits.pids,
        "oom_score_adj": _STOPPED_FIRST,
        "log_config": {"Type": "json-file", "Config": _LOG_OPTIONS},
    }


def confinement(
    limits: Limits, in_memory: Iterable[PurePosixPath], *, writable_root: bool, gpu: bool
) -> dict[str, Any]:
    """What algorithms are denied besides.

    Parameters
    ----------
    limits : Limits
    in_memory : iterable of PurePosixPath
        Folders that are to be in memory besides those that programs expect.
    writable_root : bool
        Whether it may write to the file system of its image.
    gpu : bool
        Whether it gets the GPUs of this machine.
    """
    return {
        **hardening(limits),
        "read_only": not writable_root,
        "tmpfs": {str(folder): _in_memory(limits.tmp) for folder in (*SCRATCH, *in_memory)},
        "shm_size": limits.tmp,
        "ulimits": [
            _exactly("nofile", _OPEN_FILES),
            _exactly("core", 0),
            _exactly("fsize", limits.disk),
        ],
        "device_requests": [DeviceRequest(count=-1, capabilities=[["gpu"]])] if gpu else None,
    }


def _in_memory(size: int) -> str:
    """Options of a folder in memory, which counts as the memory of the container.

    Programs in it may be run: packages that compile what they need do so there, and its other
    folders allow it too.
    """
    return f"rw,exec,nosuid,nodev,mode=1777,size={size},nr_inodes={max(1, size // _SMALLEST_FILE)}"


def _exactly(name: str, value: int) -> Ulimit:
    return Ulimit(name=name, soft=value, hard=value)
