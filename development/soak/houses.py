"""Three organizations in two collaborations, and a node for each of the six memberships."""

import random
import secrets
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from development.federation import API_PATH, LOOPBACK
from vantage6.common.encryption import RSACryptor

ORGANIZATIONS = ("north", "south", "west")
COLLABORATIONS = ("blue", "green")
_NUMBERS = 200
_BIGGEST = 10**6


@dataclass
class House:
    """One organization: its key, its data, and whoever asks there.

    Attributes
    ----------
    name : str
    folder : Path
    password : str
        Of its researcher, whose name is that of the house.
    numbers : list of int
        Its data.
    """

    name: str
    folder: Path
    password: str = field(default_factory=lambda: f"{secrets.token_urlsafe(12)}aA1!")
    numbers: list[int] = field(default_factory=list)

    @property
    def key(self) -> Path:
        """Its private key."""
        return self.folder / "private_key.pem"

    @property
    def database(self) -> Path:
        """Its data, as a file."""
        return self.folder / "numbers.txt"

    def prepare(self, seed: int) -> None:
        """Make its key and its data."""
        self.folder.mkdir(parents=True)
        RSACryptor.create_new_rsa_key(self.key)
        chance = random.Random(f"{seed} {self.name}")
        self.numbers = [chance.randrange(_BIGGEST) for _ in range(_NUMBERS)]
        self.database.write_text(" ".join(map(str, self.numbers)))


@dataclass(frozen=True)
class Site:
    """The node of one house in one collaboration.

    Attributes
    ----------
    house : House
    collaboration : str
    data : Path
        Its data folder.
    log : Path
        The folder of its logs.
    """

    house: House
    collaboration: str
    data: Path
    log: Path
    api_key: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def name(self) -> str:
        """Of the node."""
        return f"{self.house.name}-{self.collaboration}"

    @property
    def ready(self) -> Path:
        """The file that its node makes when it takes tasks."""
        return self.house.folder / f"{self.name}.ready"

    def write_config(self, **config: Any) -> Path:
        """Write the configuration of the node; where it is.

        Parameters
        ----------
        **config : object
            What is not the site's own business.
        """
        content = {
            "api_key": self.api_key,
            "server_url": f"https://{LOOPBACK}",
            "api_path": API_PATH,
            "task_dir": str(self.data),
            "databases": {"default": str(self.house.database)},
            "encryption": {"enabled": True, "private_key": str(self.house.key)},
            "directories": {"data": str(self.data), "log": str(self.log)},
            "logging": {"level": "INFO", "file": "log.txt", "use_console": True},
            **config,
        }
        path = self.house.folder / f"{self.name}.yaml"
        path.write_text(yaml.safe_dump({"application": content}, sort_keys=False))
        return path


def prepare_houses(folder: Path, seed: int) -> list[House]:
    """Three houses with their keys."""
    houses = [House(name, folder / name) for name in ORGANIZATIONS]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda house: house.prepare(seed), houses))
    return houses


def sites_of(houses: Sequence[House], disks: dict[str, Path]) -> Iterator[Site]:
    """The six nodes; those that are named among the disks have all they write on one."""
    for house in houses:
        for collaboration in COLLABORATIONS:
            name = f"{house.name}-{collaboration}"
            home = disks.get(name, house.folder / collaboration)
            yield Site(house, collaboration, home / "data", home / "log")


def entities(houses: Sequence[House], sites: Sequence[Site]) -> dict[str, Any]:
    """What `vserver-local import` reads."""
    return {
        "organizations": [_organization(house) for house in houses],
        "collaborations": [
            {
                "name": name,
                "encrypted": True,
                "participants": [
                    {"name": site.house.name, "api_key": site.api_key}
                    for site in sites
                    if site.collaboration == name
                ],
            }
            for name in COLLABORATIONS
        ],
    }


def _organization(house: House) -> dict[str, Any]:
    empty = dict.fromkeys(("domain", "address1", "address2", "zipcode", "country"), "")
    user = {"username": house.name, "password": house.password}
    return {
        "name": house.name,
        "public_key": RSACryptor(house.key).public_key_str,
        **empty,
        "users": [{**user, "firstname": "Ada", "lastname": house.name}],
    }
