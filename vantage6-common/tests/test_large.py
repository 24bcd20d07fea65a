"""Bodies that are written out piece by piece."""

import json

import pytest

from vantage6.common.client.large import LargeJson


@pytest.mark.parametrize("text", ["", "a", "A$b+/=" * 600_000])
def test_the_pieces_are_the_object(text):
    body = LargeJson(
        {"status": "completed", "result": "not this", "log": '"}'}, "result", text.encode()
    )
    written = b"".join(body)
    assert json.loads(written) == {"status": "completed", "log": '"}', "result": text}
    assert len(body) == len(written)
    assert b"".join(body) == written


@pytest.mark.parametrize("letter", ['"', "\\", "\n", "é", "\0"])
@pytest.mark.parametrize("before", [0, 2**20 + 1])
def test_a_text_that_json_would_write_otherwise_is_refused(letter, before):
    with pytest.raises(ValueError, match="neither base64 nor"):
        LargeJson({}, "result", ("A" * before + letter).encode())
