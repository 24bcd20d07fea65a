"""What the owner of a node sets for the containers of an image."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limits:
    """What one container may use at most, and leave behind.

    Attributes
    ----------
    memory, input, output, disk, tmp : int
        Bytes: of memory, of input and result, in its folders of the node, in each folder in memory.
    cpus : float
    pids : int
    time : float, optional
        Seconds; None: as long as it takes.
    """

    memory: int = 4 * 2**30
    cpus: float = 1.0
    pids: int = 512
    output: int = 2**30
    time: float | None = None
    disk: int = 10 * 2**30
    tmp: int = 256 * 2**20
    input: int = 10 * 2**30


@dataclass(frozen=True)
class Rules:
    """What the owner of the node set for the containers of an image.

    Attributes
    ----------
    limits : Limits
    environment : mapping of str to str
        Further variables.
    run_as : str, optional
        `uid:gid`; None: the user that the image names.
    writable_root : bool
        Whether it may write to the file system of its image.
    writable_database : bool
        Whether it gets a copy of its database that it may change.
    databases : tuple of str
        Labels of those that it gets besides the one of its task.
    gpu : bool
    destinations : tuple of str
        `host:port` that it may connect to.
    """

    limits: Limits = field(default_factory=Limits)
    environment: Mapping[str, str] = field(default_factory=dict)
    run_as: str | None = None
    writable_root: bool = False
    writable_database: bool = False
    databases: tuple[str, ...] = ()
    gpu: bool = False
    destinations: tuple[str, ...] = ()
