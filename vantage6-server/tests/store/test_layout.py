"""How an object lies in a bucket."""

import pytest

from vantage6.server.store.layout import MERGED_TOGETHER, SEGMENT, Layout

NAME = "0123456789abcdef" * 2


def of(*lengths: int) -> Layout:
    """An object that came in runs of so many bytes."""
    layout = Layout(NAME, sum(lengths))
    for index, length in enumerate(lengths):
        layout = layout.longer(f"{index:08x}", length)
    return layout


@pytest.mark.parametrize("lengths", [(), (5,), (SEGMENT, 7, 3 * SEGMENT + 1)], ids=str)
def test_what_is_written_is_read_again(lengths: tuple[int, ...]) -> None:
    layout = of(*lengths)
    assert Layout.parse(NAME, layout.text) == layout
    assert layout.received == sum(lengths)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"size": 1}',
        '{"size": "1", "runs": []}',
        '{"size": 1, "runs": [1]}',
        '{"size": 1, "runs": [["a", null]]}',
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"layout|Expecting"):
        Layout.parse(NAME, text)


def test_segments_are_full_but_for_the_last_of_each_run() -> None:
    layout = of(2 * SEGMENT + 5, SEGMENT + 1)
    lengths = [extent.length for extent in layout.extents(0, layout.received)]
    assert lengths == [SEGMENT, SEGMENT, 5, SEGMENT, 1]
    assert len(layout.keys()) == 5


def test_what_is_sent_in_one_run_is_one_run() -> None:
    layout = Layout(NAME, 2 * SEGMENT).longer("a", SEGMENT).longer("a", SEGMENT)
    assert layout.runs == (("a", 2 * SEGMENT),)


@pytest.mark.parametrize("start", [0, 4, SEGMENT, SEGMENT + 2, 2 * SEGMENT + 4])
@pytest.mark.parametrize("length", [0, 1, SEGMENT, SEGMENT + 3])
def test_a_part_is_made_of_parts_of_segments(start: int, length: int) -> None:
    layout = of(SEGMENT + 2, 2 * SEGMENT, SEGMENT)
    of_byte = {}
    for extent in layout.extents(0, layout.received):
        of_byte[extent.key] = int(extent.key.rpartition("-")[2], 16)
    position = start
    for key, within, size in layout.extents(start, length):
        assert of_byte[key] + within == position
        assert 0 < size <= SEGMENT
        position += size
    assert position == start + length


def test_short_runs_at_the_end_are_sent_anew() -> None:
    layout = of(SEGMENT, *[10] * MERGED_TOGETHER)
    assert layout.without_short_end() == Layout(NAME, layout.size, layout.runs[:1])


@pytest.mark.parametrize(
    "lengths",
    [(), (10,) * (MERGED_TOGETHER - 1), (SEGMENT // 2,) * (2 * MERGED_TOGETHER)],
    ids=["none", "few", "long"],
)
def test_few_or_long_runs_stay(lengths: tuple[int, ...]) -> None:
    assert of(*lengths).without_short_end() == of(*lengths)


def test_an_object_in_very_many_parts_has_few_segments() -> None:
    layout, parts = Layout(NAME, 0), 0
    while layout.received < 20 * SEGMENT:
        kept = layout.without_short_end()
        again = layout.received - kept.received
        layout = kept.longer(f"{parts:08x}", again + 100_000)
        parts += 1
    assert len(layout.keys()) < 45 < parts / 50
