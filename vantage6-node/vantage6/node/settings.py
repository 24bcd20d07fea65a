"""What the owner of a node configured about runs, ready for use."""

from dataclasses import dataclass

from vantage6.node.databases import Databases
from vantage6.node.policy import Policy
from vantage6.node.runner.settings import Identity, Rules


@dataclass(frozen=True)
class LogPolicy:
    """Which logs of algorithms leave the house.

    Attributes
    ----------
    share : {"on_failure", "always", "never"}
    lines : int
        How many lines of a failed run.
    characters : int
        The most that is sent in any case.
    """

    share: str = "on_failure"
    lines: int = 30
    characters: int = 200_000


@dataclass(frozen=True)
class Settings:
    """What the owner configured about runs.

    Attributes
    ----------
    identity : Identity
        On the containers.
    collaboration_id : int
    policy : Policy
    databases : Databases
    rules : Rules
    logs : LogPolicy
    output_limit : int
        Bytes.
    user : tuple of int
        As whom this process runs.
    """

    identity: Identity
    collaboration_id: int
    policy: Policy
    databases: Databases
    rules: Rules
    logs: LogPolicy
    output_limit: int
    user: tuple[int, int]
