"""A Swift of our own: speaks S3, private, beside others, gone in the end."""

import os
import select
import subprocess
import sys
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.session import Session

from development import swift as openstack
from development.console import SetupError
from development.swift import Swift


def connect(swift: Swift, secret_key: str | None = None) -> Any:
    return Session().create_client(
        "s3",
        endpoint_url=swift.endpoint,
        region_name=swift.region,
        aws_access_key_id=swift.access_key,
        aws_secret_access_key=secret_key or swift.secret_key,
    )


def test_what_it_is_given_survives_that_it_is_killed() -> None:
    with openstack.serve() as swift:
        client = connect(swift)
        client.create_bucket(Bucket="bucket")
        client.put_object(Bucket="bucket", Key="key", Body=b"content")
        swift.kill()
        assert not swift.pids
        swift.start()
        answer = client.get_object(Bucket="bucket", Key="key")
        assert answer["Body"].read() == b"content"
        client.close()


def test_it_is_private(swift: Swift) -> None:
    client = connect(swift, "another secret")
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client.list_buckets()
    client.close()


def test_each_is_alone_and_nothing_is_left_of_it(swift: Swift) -> None:
    with openstack.serve() as other:
        assert other.port != swift.port
        pids, folder = other.pids, other.folder
        assert len(pids) == 5
        assert folder.exists()
    assert not folder.exists()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_it_ends_with_whoever_started_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "development.swift"], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout
        pids = owner.stdout.readline().split()[4:]
        servers = [os.pidfd_open(int(pid)) for pid in pids]
        assert len(servers) == 5
        owner.kill()
        for server in servers:
            # readable once the process is over
            select.select([server], [], [])
            os.close(server)


def test_where_it_cannot_be_had_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert openstack.obstacle() == ""
    monkeypatch.setattr(openstack, "_is_installed", lambda: False)
    monkeypatch.setattr(openstack.debian, "is_ours", lambda: False)
    with pytest.raises(SetupError, match="only root on Debian"):
        openstack.install()


def test_where_it_is_missing_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[str] = []
    monkeypatch.setattr(openstack, "_is_installed", lambda: bool(installed))
    monkeypatch.setattr(openstack.debian, "is_ours", lambda: True)
    monkeypatch.setattr(openstack.debian, "install", lambda *names: installed.extend(names))
    openstack.install()
    assert installed == list(openstack.PACKAGES)
