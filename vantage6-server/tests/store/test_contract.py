"""What every payload store does, as `store/interface.py` says."""

import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from vantage6.server.store import file as file_store
from vantage6.server.store.interface import (
    PIECE,
    Missing,
    Progress,
    Store,
    StoreError,
    Superseded,
)

# More than the smallest part of a multipart upload, and no multiple of anything.
LARGE = 3 * PIECE * 4 + 12345


@pytest.fixture
def name() -> str:
    return secrets.token_hex(16)


def pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]


def put(store: Store, name: str, content: bytes) -> None:
    state = store.begin(name, len(content))
    progress = store.append(name, state, 0, pieces(content), "writer")
    assert progress.received == len(content)
    store.finish(name, progress.state, len(content))


def get(store: Store, name: str, start: int, length: int) -> bytes:
    found = list(store.read(name, start, length))
    assert all(0 < len(piece) <= PIECE for piece in found)
    return b"".join(found)


def names(store: Store) -> set[str]:
    return {found.name for found in store.names()}


@pytest.mark.parametrize("size", [0, 1, PIECE, LARGE])
def test_what_is_put_in_comes_out(store: Store, name: str, size: int) -> None:
    content = secrets.token_bytes(size)
    put(store, name, content)
    assert get(store, name, 0, size) == content


@pytest.mark.parametrize("part", [(0, 1), (LARGE - 1, 1), (PIECE - 7, 14), (5, LARGE - 5)], ids=str)
def test_a_part_is_read_alone(store: Store, name: str, part: tuple[int, int]) -> None:
    content = secrets.token_bytes(LARGE)
    put(store, name, content)
    start, length = part
    assert get(store, name, start, length) == content[start : start + length]


def test_an_object_may_come_in_many_small_parts(store: Store, name: str) -> None:
    content = secrets.token_bytes(1000)
    state, received, step = store.begin(name, len(content)), 0, 300
    while received < len(content):
        part = content[received : received + step]
        progress = store.append(name, state, received, [part], secrets.token_hex(8))
        assert received <= progress.received <= received + len(part)
        # What was put off is sent again, with more behind it.
        step = 300 if progress.received > received else step + 300
        received, state = progress.received, progress.state
    store.finish(name, state, len(content))
    assert get(store, name, 0, len(content)) == content


def test_what_arrived_before_a_cut_is_kept(store: Store, name: str) -> None:
    content = secrets.token_bytes(LARGE)
    state = store.begin(name, LARGE)
    cut = store.append(name, state, 0, pieces(content[: LARGE // 2]), "first")
    # A store may put off what is less than a part of a multipart upload.
    assert LARGE // 2 - 5 * PIECE <= cut.received <= LARGE // 2
    rest = store.append(name, cut.state, cut.received, pieces(content[cut.received :]), "second")
    store.finish(name, rest.state, LARGE)
    assert get(store, name, 0, LARGE) == content


def test_what_did_not_count_is_written_over(store: Store, name: str) -> None:
    """The process was killed before it noted how far it had come."""
    content = secrets.token_bytes(LARGE)
    state = store.begin(name, LARGE)
    store.append(name, state, 0, pieces(secrets.token_bytes(LARGE)), "first")
    progress = store.append(name, state, 0, pieces(content), "second")
    store.finish(name, progress.state, LARGE)
    assert get(store, name, 0, LARGE) == content


def test_a_writer_who_was_replaced_changes_nothing(store: Store, name: str) -> None:
    content = secrets.token_bytes(LARGE)
    state = store.begin(name, LARGE)
    done = []

    def overtaken() -> Iterator[bytes]:
        yield secrets.token_bytes(PIECE)
        progress = store.append(name, state, 0, pieces(content), "second")
        done.append(progress.state)
        yield from pieces(secrets.token_bytes(LARGE - PIECE))

    # It is told so at once, or fails to count later.
    with suppress(Superseded):
        store.append(name, state, 0, overtaken(), "first")
    store.finish(name, done[0], LARGE)
    assert get(store, name, 0, LARGE) == content


def test_what_the_pieces_raise_is_passed_on(store: Store, name: str) -> None:
    def broken() -> Iterator[bytes]:
        yield b"a"
        raise LookupError("of the pieces")

    state = store.begin(name, 10)
    with pytest.raises(LookupError, match="of the pieces"):
        store.append(name, state, 0, broken(), "writer")


def test_what_is_written_is_what_somebody_makes_of_each_piece(store: Store, name: str) -> None:
    content, seen = secrets.token_bytes(LARGE), []

    def look(piece: bytes) -> bytes:
        seen.append(len(piece))
        return piece[1:-2]

    state = store.begin(name, LARGE)
    framed = (b"<" + piece + b"--" for piece in pieces(content))
    progress = store.append(name, state, 0, framed, "writer", look=look)
    store.finish(name, progress.state, LARGE)
    assert get(store, name, 0, LARGE) == content
    assert sum(seen) == LARGE + 3 * len(seen)


def test_a_piece_may_be_used_again_for_the_second_one_after_it(store: Store, name: str) -> None:
    content = secrets.token_bytes(LARGE)

    def again() -> Iterator[memoryview]:
        buffers = [bytearray(PIECE), bytearray(PIECE)]
        for number, piece in enumerate(pieces(content)):
            buffer = memoryview(buffers[number % 2])[: len(piece)]
            buffer[:] = piece
            yield buffer

    state = store.begin(name, LARGE)
    progress = store.append(name, state, 0, again(), "writer")
    store.finish(name, progress.state, LARGE)
    assert get(store, name, 0, LARGE) == content


def test_what_is_told_meanwhile_counts_when_the_process_is_killed(
    store: Store, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_store, "_STEP_BYTES", 4 * PIECE)
    content = secrets.token_bytes(5 * LARGE)
    told: list[Progress] = []

    def until_it_is_killed() -> Iterator[bytes]:
        yield from pieces(content[: 3 * LARGE])
        raise SystemExit

    state = store.begin(name, len(content))
    with pytest.raises(SystemExit):
        store.append(name, state, 0, until_it_is_killed(), "first", told.append)
    received = [progress.received for progress in told]
    assert received == sorted(received)
    assert 0 < received[-1] <= 3 * LARGE
    rest = pieces(content[received[-1] :])
    last = store.append(name, told[-1].state, received[-1], rest, "second")
    store.finish(name, last.state, len(content))
    assert get(store, name, 0, len(content)) == content


def test_an_object_is_whole_only_with_all_its_bytes(store: Store, name: str) -> None:
    state = store.begin(name, LARGE)
    progress = store.append(name, state, 0, pieces(bytes(LARGE - 1)), "writer")
    with pytest.raises(StoreError):
        store.finish(name, progress.state, LARGE)


def test_finishing_twice_is_finishing(store: Store, name: str) -> None:
    state = store.begin(name, 3)
    progress = store.append(name, state, 0, [b"abc"], "writer")
    store.finish(name, progress.state, 3)
    store.finish(name, progress.state, 3)
    assert get(store, name, 0, 3) == b"abc"


def test_what_is_not_finished_cannot_be_read(store: Store, name: str) -> None:
    store.append(name, store.begin(name, 4), 0, [b"abc"], "writer")
    with pytest.raises(Missing):
        get(store, name, 0, 1)


def test_more_than_there_is_cannot_be_read(store: Store, name: str) -> None:
    put(store, name, b"abc")
    with pytest.raises(Missing):
        get(store, name, 0, 4)


def test_an_object_that_is_not_there_is_missing(store: Store, name: str) -> None:
    with pytest.raises(Missing):
        get(store, name, 0, 1)


@pytest.mark.parametrize("part", ["begun", "half", "whole"])
def test_a_deleted_object_is_gone(store: Store, name: str, part: str) -> None:
    content = bytes(LARGE)
    state: str | None = None
    if part == "whole":
        put(store, name, content)
    else:
        state = store.begin(name, LARGE)
    if part == "half":
        state = store.append(name, state or "", 0, pieces(content[:-1]), "writer").state
    store.delete(name, state)
    assert name not in names(store)
    with pytest.raises(Missing):
        get(store, name, 0, 1)
    # A second time is as good.
    store.delete(name, state)


@pytest.mark.parametrize("part", ["begun", "whole"])
def test_an_object_is_listed_with_its_age(store: Store, name: str, part: str) -> None:
    if part == "whole":
        put(store, name, b"abc")
    else:
        store.begin(name, 100)
    found = {each.name: each.touched_at for each in store.names()}
    assert abs(found[name] - datetime.now(UTC)) < timedelta(minutes=5)


def test_an_empty_store_has_no_names(store: Store) -> None:
    assert names(store) == set()


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "a" * 31, "A" * 32, "a/" * 16])
def test_a_name_that_the_server_did_not_make_is_refused(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="32 hexadecimal digits"):
        store.begin(name, 1)


def test_objects_of_the_same_content_are_deleted_one_by_one(store: Store) -> None:
    first, second = (secrets.token_hex(16) for _ in range(2))
    for each in (first, second):
        put(store, each, b"abc")
    store.delete(first)
    assert get(store, second, 0, 3) == b"abc"


def test_a_file_begins_where_it_was_asked_to(store: Store, name: str) -> None:
    content = secrets.token_bytes(100)
    put(store, name, content)
    opened = store.open(name, 40)
    if opened is not None:
        with opened as file:
            assert file.read() == content[40:]


def test_a_store_that_can_be_used_says_nothing(store: Store) -> None:
    store.check()


def test_reading_in_pieces_goes_from_one_end_to_the_other(store: Store, name: str) -> None:
    content = b"".join(index.to_bytes(4) for index in range(LARGE // 4 + 1))[:LARGE]
    put(store, name, content)
    marks = [piece[:4] for piece in store.read(name, 0, LARGE)]
    assert all(before < after for before, after in pairwise(marks))
