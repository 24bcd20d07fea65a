"""The generated pages of the documentation say what the code says."""

import pytest

from development import reference


@pytest.mark.parametrize("name", sorted(reference.pages()))
def test_the_page_is_current(name):
    text = (reference.FOLDER / name).read_text(encoding="utf-8")
    assert text == reference.pages()[name], "run: python -m development.reference"
