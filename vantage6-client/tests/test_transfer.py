"""What is shown of large bodies and answers."""

import io

import pytest
from rich.console import Console

from vantage6.client.transfer import SHOWN, Transfers


def lines(console, size, *steps, receiving=False):
    transfers = Transfers(console)
    start = transfers.receiving if receiving else transfers.sending
    with start(size) as step:
        for count in steps:
            step(count)
    return console.file.getvalue()


def plain():
    return Console(file=io.StringIO(), width=100)


def test_a_small_one_is_not_shown():
    assert lines(plain(), SHOWN - 1, SHOWN - 1) == ""


def test_a_large_one_is_two_lines_without_a_terminal():
    first, second = lines(plain(), 100_000_000, *[10**7] * 10).splitlines()
    assert first == "Sending 100.0 MB ..."
    assert second.startswith("Sent 100.0 MB in ")
    assert second.endswith("/s)")


def test_an_answer_of_unknown_size_is_shown_once_it_is_large():
    first, second = lines(plain(), None, *[10**6] * 9, receiving=True).splitlines()
    assert first == "Receiving ..."
    assert second.startswith("Received 9.0 MB in ")


def test_a_terminal_shows_a_bar():
    console = Console(file=io.StringIO(), width=80, force_terminal=True, _environ={})
    text = lines(console, 10**8, 5 * 10**7, 5 * 10**7, receiving=True)
    assert "\x1b[" in text
    assert "100.0/100.0 MB" in text
    assert "Received 100.0 MB in " in text.splitlines()[-1]


def test_what_breaks_off_is_not_said_to_be_done():
    console = plain()
    with pytest.raises(ZeroDivisionError), Transfers(console).sending(10**8) as step:
        step(10**7 / 0)
    assert console.file.getvalue() == "Sending 100.0 MB ...\n"
