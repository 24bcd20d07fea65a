"""Buckets of tests, in a Swift that runs for all of them."""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from botocore.session import Session

from development.swift import Swift
from vantage6.server.store.bucket import Settings


@contextmanager
def client(swift: Swift) -> Iterator[Any]:
    """The library's client, as the one who may do everything."""
    made = Session().create_client(
        "s3",
        endpoint_url=swift.endpoint,
        region_name=swift.region,
        aws_access_key_id=swift.access_key,
        aws_secret_access_key=swift.secret_key,
    )
    with closing(made):
        yield made


def fresh(swift: Swift) -> Settings:
    """A new bucket, which goes with its Swift."""
    name = f"payloads-{secrets.token_hex(4)}"
    with client(swift) as maker:
        maker.create_bucket(Bucket=name)
    return Settings(swift.endpoint, name, swift.region, swift.access_key, swift.secret_key)
