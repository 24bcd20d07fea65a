"""The payload store of an application, and the sizes that decide what goes there."""

import hashlib
import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vantage6.server import configuration
from vantage6.server.aside import Aside
from vantage6.server.store.bucket import Settings
from vantage6.server.store.file import FileStore
from vantage6.server.store.interface import Store
from vantage6.server.store.s3 import S3Store

if TYPE_CHECKING:
    from hashlib import _Hash

#: Where the files are, in the folder for data.
FOLDER = "payloads"
# How many uploads are remembered; of others all is read once more at their end.
_HASHES = 1000
# Sums that are worked out at the same time.
_THREADS = 4


@dataclass(frozen=True)
class Hashed:
    """The sum of the first bytes of an upload.

    Attributes
    ----------
    offset : int
        How many bytes.
    writer : str
        The request that brought the last of them.
    sum : object
        Of `hashlib`.
    """

    offset: int
    writer: str
    sum: "_Hash"


class Payloads:
    """In the `extensions` of an application under "payloads".

    Parameters
    ----------
    config : mapping
        The `payloads` block; what is missing has its default.
    data_dir : Path
        Where the folder starts, unless it is a whole path.

    Attributes
    ----------
    store : Store
    stored_from, inline_limit, largest, unused_limit : int
        Bytes, as the configuration says.
    """

    def __init__(self, config: Mapping[str, Any], data_dir: Path) -> None:
        self.store = make_store(config, data_dir)
        self.stored_from = int(config.get("from", configuration.STORED_FROM))
        self.inline_limit = int(config.get("inline_limit", configuration.INLINE_LIMIT))
        self.largest = int(config.get("largest", configuration.LARGEST_PAYLOAD))
        self.unused_limit = int(config.get("unused_limit", 2 * self.largest))
        #: Where sums are worked out.
        self.aside = Aside(_THREADS)
        self._hashes: OrderedDict[str, Hashed] = OrderedDict()
        self._lock = threading.Lock()

    def keep_hash(self, name: str, hashed: Hashed) -> None:
        """Remember how far the sum of an upload is, for the next request of it."""
        with self._lock:
            self._hashes[name] = hashed
            self._hashes.move_to_end(name)
            if len(self._hashes) > _HASHES:
                self._hashes.popitem(last=False)

    def take_hash(self, name: str, offset: int, writer: str | None) -> "_Hash | None":
        """The sum of all that an upload has so far; None when this process has not seen all."""
        with self._lock:
            found = self._hashes.pop(name, None)
        if offset == 0:
            return hashlib.sha256()
        if found is None or (found.offset, found.writer) != (offset, writer):
            return None
        return found.sum


def new_name() -> str:
    """A name for an object, which no other ever had."""
    return secrets.token_hex(16)


def make_store(config: Mapping[str, Any], data_dir: Path) -> Store:
    """The store that the `payloads` block names.

    Raises
    ------
    ConfigurationError
        When something is missing that this store needs.
    """
    if config.get("store") == "s3":
        return S3Store(Settings.read(config["s3"], os.environ))
    return FileStore(data_dir / (config.get("folder") or FOLDER))
