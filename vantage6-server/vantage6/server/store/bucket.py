"""A bucket of an S3-compatible object storage: whole objects, and errors in our words.

The library for it is loaded when a bucket is made, and never without one: it is large.
"""

import logging
import os
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import md5
from typing import Any, NamedTuple, NoReturn
from urllib.parse import urlsplit

from vantage6.common.exceptions import ConfigurationError
from vantage6.server.aside import Aside
from vantage6.server.store.interface import PIECE, Missing, StoreError, StoreFull

CONNECT_SECONDS = 5
READ_SECONDS = 60
#: Of one request, with a growing pause between them.
ATTEMPTS = 3
#: Where keys come from that a configuration does not hold.
VARIABLES = {"access_key": "AWS_ACCESS_KEY_ID", "secret_key": "AWS_SECRET_ACCESS_KEY"}
_CONNECTIONS = 50
#: Of one page of a list.
_LISTED_TOGETHER = 1000
#: As many as one request may name.
_DELETED_TOGETHER = 1000
_MISSING = {"NoSuchKey", "404"}
_FULL = {"QuotaExceeded", "InsufficientCapacity", "XMinioStorageFull", "507"}
_NOT_ADMITTED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "401", "403"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """Where a bucket is, and who we are there.

    Attributes
    ----------
    endpoint : str
        The address of the storage.
    bucket, region : str
    access_key, secret_key : str
    ca_file : str, optional
        Authorities to trust instead of those of the system.
    """

    endpoint: str
    bucket: str
    region: str
    access_key: str
    secret_key: str = field(repr=False)
    ca_file: str | None = None

    @classmethod
    def read(cls, block: Mapping[str, Any], environment: Mapping[str, str]) -> "Settings":
        """Read the `s3` block of a configuration; keys that it lacks are taken from variables.

        Raises
        ------
        ConfigurationError
            When they are in neither.
        """
        keys = {name: block.get(name) or environment.get(VARIABLES[name]) for name in VARIABLES}
        for name, value in keys.items():
            if not value:
                raise ConfigurationError(
                    f"payloads.s3: {name} is missing, and the variable {VARIABLES[name]} is not set"
                )
        others = {name: block.get(name) for name in ("endpoint", "bucket", "region", "ca_file")}
        return cls(**others, **keys)  # type: ignore[arg-type]


class Held(NamedTuple):
    """An object in the bucket."""

    key: str
    modified_at: datetime


class Bucket:
    """See the module; it may be used by several threads or greenlets at once.

    Every method waits a bounded time, tries again a few times, and then raises StoreError.

    Parameters
    ----------
    settings : Settings

    Raises
    ------
    ConfigurationError
        When the library is not there.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = _connect(settings)
        self._hashing = Aside(2)

    def put(self, key: str, content: bytes) -> None:
        """Keep an object; the storage compares what arrived with its digest."""
        digest = self._hashing(_digest, content)
        with self._told():
            self._client.put_object(**self._of(key), Body=content, ContentMD5=digest)

    def get(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The content of an object or a part of it, in pieces of `PIECE` bytes at most.

        Where the connection is lost it is gone on with from there.

        Raises
        ------
        Missing
            When there is no such object.
        StoreError
            When it ends too early, too.
        """
        if length is None:
            length = self._length(key)
        end = start + length
        while start < end:
            before = start
            try:
                for piece in self._stream(key, start, end):
                    start += len(piece)
                    yield piece
            except StoreError:
                # Asking was tried often enough; only what was cut off is asked for again.
                if start == before:
                    raise

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are not there are as good as deleted."""
        for first in range(0, len(keys), _DELETED_TOGETHER):
            some = [{"Key": key} for key in keys[first : first + _DELETED_TOGETHER]]
            with self._told():
                answer = self._client.delete_objects(
                    Bucket=self._settings.bucket, Delete={"Objects": some, "Quiet": True}
                )
            for error in answer.get("Errors", ()):
                if error.get("Code") not in _MISSING:
                    self._refuse(str(error.get("Code")))

    def list(self, prefix: str = "") -> Iterator[Held]:
        """All objects whose keys begin in a way, in the order of their keys, page by page."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._settings.bucket,
            Prefix=prefix,
            PaginationConfig={"PageSize": _LISTED_TOGETHER},
        )
        with self._told():
            for page in pages:
                for each in page.get("Contents", ()):
                    yield Held(each["Key"], each["LastModified"])

    def check(self) -> None:
        """See whether the bucket is there and ours.

        Raises
        ------
        ConfigurationError
            When it is not.
        StoreError
            When the storage does not answer, which may pass.
        """
        from botocore.exceptions import ClientError

        name = self._settings.bucket
        with self._told():
            try:
                self._client.head_bucket(Bucket=name)
            except ClientError as error:
                code = _code(error)
                if code in {"404", "NoSuchBucket"}:
                    raise ConfigurationError(
                        f"The object storage has no bucket {name}; make it first"
                    ) from error
                if code in _NOT_ADMITTED:
                    raise ConfigurationError(
                        f"The object storage does not let these keys use the bucket {name}"
                    ) from error
                raise

    def _of(self, key: str) -> dict[str, str]:
        return {"Bucket": self._settings.bucket, "Key": key}

    def _length(self, key: str) -> int:
        with self._told():
            return int(self._client.head_object(**self._of(key))["ContentLength"])

    def _stream(self, key: str, start: int, end: int) -> Iterator[bytes]:
        with self._told():
            wanted = f"bytes={start}-{end - 1}"
            answer = self._client.get_object(**self._of(key), Range=wanted)
            with closing(answer["Body"]) as body:
                yield from body.iter_chunks(PIECE)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell of errors of the library in the words of stores."""
        from botocore.exceptions import BotoCoreError, ClientError, SSLError

        try:
            yield
        except ClientError as error:
            self._refuse(_code(error), error)
        except SSLError as error:
            self._fail("The certificate of the object storage is not trusted", error)
        except BotoCoreError as error:
            self._fail("The object storage does not answer", error)

    def _refuse(self, code: str, error: Exception | None = None) -> NoReturn:
        if code in _MISSING:
            raise Missing("There is no such object in the payload store") from error
        if code in _FULL:
            raise StoreFull("There is no space left in the payload store") from error
        self._fail("The object storage refuses", error, code)

    def _fail(self, reason: str, error: Exception | None, code: str = "") -> NoReturn:
        """Tell callers that it fails, and only the operator where it is, and what it says."""
        host = urlsplit(self._settings.endpoint).netloc
        log.warning("%s: %s%s", reason, host, f" says {code}" if code else "")
        raise StoreError(reason) from error


def _digest(content: bytes) -> str:
    """Its digest as the protocol wants it: against accidents, not against attackers."""
    return b64encode(md5(content, usedforsecurity=False).digest()).decode()


def _add_digest(request: Any, **_: object) -> None:
    request.headers["Content-MD5"] = _digest(request.body)


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", "without a reason"))


def _connect(settings: Settings) -> Any:
    """A client of the library, which reads no files or variables of its own."""
    try:
        from botocore.config import Config
        from botocore.session import Session
    except ImportError as error:
        raise ConfigurationError(
            "The payload store s3 comes with `pip install vantage6-server[s3]`"
        ) from error
    # At the level of debugging it would tell of every request, and of its signature.
    logging.getLogger("botocore").setLevel(logging.WARNING)
    session = Session(session_vars={"profile": (None, None, None, None)})
    for file in ("config_file", "credentials_file"):
        session.set_config_variable(file, os.devnull)
    client = session.create_client(
        "s3",
        endpoint_url=settings.endpoint,
        region_name=settings.region,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        verify=settings.ca_file or ssl.get_default_verify_paths().cafile or True,
        config=Config(
            # A bucket need not be a name that can be looked up.
            s3={"addressing_style": "path"},
            # Others than the maker of the protocol know no checksums but the first one.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            max_pool_connections=_CONNECTIONS,
        ),
    )
    # The library sends another one by now, which storages in use do not know.
    client.meta.events.register("before-sign.s3.DeleteObjects", _add_digest)
    return client
