"""What is said of a container that did not come up."""

import pytest

from vantage6.common.container.launch import last_words

ENDED = "The node ended at once, with exit code 1"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("", ENDED),
        ("12:00 INFO\nError: No API key\n12:00 CRITICAL No API key", f"{ENDED}: No API key"),
        ("Traceback\nKeyError: 'x'", f"{ENDED}. The last it said:\nTraceback\nKeyError: 'x'"),
    ],
)
def test_the_sentence_of_a_command_is_enough_and_all_else_is_shown(said: str, words: str) -> None:
    assert last_words(ENDED, said) == words
