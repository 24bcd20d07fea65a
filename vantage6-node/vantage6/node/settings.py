"""What the owner of a node configured about runs, ready for use."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from vantage6.node.databases import Databases
from vantage6.node.image.signature import SignatureCheck
from vantage6.node.policy import Policy
from vantage6.node.rules import Rules
from vantage6.node.runner.settings import Identity


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
    logs : LogPolicy
    user : tuple of int
        As whom this process runs.
    kept_free : int, optional
        Bytes of the disk that runs do not get; None: as many as seems wise.
    signatures : SignatureCheck, optional
        Where the owner requires that images are signed.
    services : mapping
        Containers of this machine that runs may reach, by alias.
    """

    identity: Identity
    collaboration_id: int
    policy: Policy
    databases: Databases
    logs: LogPolicy
    user: tuple[int, int]
    kept_free: int | None = None
    signatures: SignatureCheck | None = None
    services: Mapping[str, str | None] = field(default_factory=dict)

    def rules_for(self, image: str, digests: Collection[str] = ()) -> Rules:
        """The limits and exceptions for the containers of an image.

        Parameters
        ----------
        image : str
        digests : collection of str
            What is known to be behind the name.

        Raises
        ------
        ValueError
            When this cannot be the name of an image.
        """
        return self.policy.rules_for(image, digests)
