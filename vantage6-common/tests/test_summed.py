"""Bytes with sums in between: what a reader finds after each MiB, and after the last bytes."""

import hashlib
import random

import pytest

from vantage6.common.summed import BLOCK, SUM_BYTES, Sums, plain_length, summed_length


def with_sums(data, cuts):
    sums, made, before = Sums(), [], 0
    for cut in [*cuts, len(data)]:
        made += sums.add(data[before:cut])
        before = cut
    return b"".join([*made, *sums.end()])


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK + 5])
def test_each_block_is_followed_by_the_sum_of_all_so_far(size):
    data = random.Random(size).randbytes(size)
    made = with_sums(data, sorted({0, size // 3, size // 2}))
    assert len(made) == summed_length(size)
    assert plain_length(len(made)) == size
    at = 0
    for end in [*range(BLOCK, size, BLOCK), *([size] if size else [])]:
        start = (end - 1) // BLOCK * BLOCK
        assert made[at : at + end - start] == data[start:end]
        at += end - start
        assert made[at : at + SUM_BYTES] == hashlib.sha256(data[:end]).digest()
        at += SUM_BYTES
    assert at == len(made)


@pytest.mark.parametrize("length", [1, SUM_BYTES, BLOCK + SUM_BYTES + 1, BLOCK + 2 * SUM_BYTES])
def test_a_length_that_nothing_has_with_its_sums_is_refused(length):
    with pytest.raises(ValueError, match=f"Nothing has {length} bytes"):
        plain_length(length)


def test_bytes_are_not_copied():
    data = bytearray(b"abc")
    (part,) = Sums().add(data)
    data[:] = b"xyz"
    assert part == b"xyz"
