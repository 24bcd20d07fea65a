"""What the store keeps for nobody is deleted once, however many processes look for it."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from vantage6.server.model import Blob
from vantage6.server.service import blob
from vantage6.server.store.interface import Store

NAMES = [f"{number:032x}" for number in range(40)]


class Told:
    """Remembers what is deleted in it."""

    def __init__(self) -> None:
        self.deleted: Counter[str] = Counter()
        self._lock = threading.Lock()

    def delete(self, name: str, _state: str | None = None) -> None:
        with self._lock:
            self.deleted[name] += 1


@pytest.fixture
def unused(session: Session) -> None:
    for name in NAMES:
        values = {"digest": name * 2, "size": 1, "form": "text", "text_size": 1}
        session.add(Blob(name=name, encrypted=False, **values))
    session.commit()


@pytest.mark.usefixtures("unused")
def test_replicas_that_look_at_once_delete_each_once(app: Flask, session: Session) -> None:
    store, ready = Told(), threading.Barrier(4)

    def clean() -> int:
        ready.wait()
        return blob.delete_unused(app.extensions["database"], cast("Store", store))

    with ThreadPoolExecutor(4) as pool:
        deleted = [done.result() for done in [pool.submit(clean) for _ in range(4)]]
    assert sum(deleted) == len(NAMES)
    assert store.deleted == Counter(NAMES)
    assert session.query(Blob).count() == 0
