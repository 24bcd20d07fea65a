"""The page of each algorithm is executed as written, and shows the picture that it makes."""

import matplotlib
import pytest
from matplotlib import pyplot

from development.algorithms import FOLDERS
from development.install import ROOT
from development.pages import PICTURE, run_page

FOLDER = ROOT / "docs" / "algorithms"
PAGES = {path.stem: path for path in sorted(FOLDER.glob("*.md"))}
LARGEST_PICTURE = 60_000


@pytest.fixture
def work(tmp_path):
    """A folder to work in, without a screen."""
    before = matplotlib.get_backend()
    matplotlib.use("Agg")
    yield tmp_path
    pyplot.close("all")
    matplotlib.use(before)


def pictures(page):
    return [page.parent / name for name in PICTURE.findall(page.read_text(encoding="utf-8"))]


def test_every_algorithm_has_a_page_and_no_page_is_of_none():
    assert sorted(PAGES) == sorted(FOLDERS)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_happens(name, work):
    run_page(PAGES[name], work)
    shown = pictures(PAGES[name])
    assert shown, "a page has a picture of its result"
    for picture in shown:
        made = pyplot.imread(work / picture.name)
        assert pyplot.imread(picture).shape == made.shape, (
            "the picture beside the page is an old one"
        )


@pytest.mark.parametrize("name", PAGES)
def test_pictures_are_small(name):
    sizes = {path.name: path.stat().st_size for path in pictures(PAGES[name])}
    assert {file: size for file, size in sizes.items() if size > LARGEST_PICTURE} == {}
