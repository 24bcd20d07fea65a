"""Images are built when, and only when, what goes into them has changed."""

import pytest

from development import images
from development.console import SetupError
from development.engine import ensure_engine
from development.images import BASE, Image


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "Dockerfile").write_text(
        "ARG BASE\nFROM ${BASE}\nCOPY message /\nCMD cat /message\n"
    )
    (tmp_path / "message").write_text("first")
    return tmp_path


def content(folder, parent=BASE):
    return Image("test", folder, parent).content


def test_the_content_follows_the_files(folder):
    before = content(folder)
    assert content(folder) == before
    (folder / "message").write_text("second")
    assert content(folder) != before


def test_the_content_follows_the_names_of_files(folder):
    before = content(folder)
    (folder / "message").rename(folder / "massage")
    assert content(folder) != before


def test_the_content_follows_the_parent(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("parent")
    (other / "Dockerfile").touch()
    assert content(folder) != content(folder, Image("parent", other))


@pytest.mark.parametrize("name", ["tests/test_x.py", "a/__pycache__/x.pyc", "x.egg-info/PKG"])
def test_what_is_no_part_of_the_image_does_not_matter(folder, name):
    before = content(folder)
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text("other")
    assert content(folder) == before


def test_what_the_folder_ignores_does_not_matter(folder):
    (folder / ".dockerignore").write_text("notes\n")
    before = content(folder)
    (folder / "notes").write_text("other")
    assert content(folder) == before


def test_a_name_that_is_no_image():
    with pytest.raises(SetupError, match="there is no image named nonsense"):
        images.build(["nonsense"])


@pytest.fixture
def build(folder, request):
    """Build the image of the folder as it is now; return it as the engine knows it."""
    client = ensure_engine()
    tag = f"vantage6-test/{folder.name.lower().strip('_')}:1"

    def build():
        images.ensure(Image(tag, folder, BASE))
        return client.images.get(tag)

    yield build
    for image in client.images.list(tag):
        client.images.remove(image.id, force=True)
    client.close()


@pytest.mark.docker
def test_an_image_is_left_alone_until_its_files_change(build, folder):
    first = build()
    assert build().id == first.id
    (folder / "message").write_text("second")
    second = build()
    assert second.id != first.id
    assert not [image for image in first.client.images.list() if image.id == first.id]


@pytest.mark.docker
def test_an_image_is_built_without_a_network(build, folder):
    with (folder / "Dockerfile").open("a") as dockerfile:
        dockerfile.write("RUN ls /sys/class/net > /networks && test $(cat /networks) = lo\n")
    build()


@pytest.mark.docker
def test_a_build_that_fails_is_one_sentence(build, folder):
    dockerfile = folder / "Dockerfile"
    dockerfile.write_text("ARG BASE\nFROM ${BASE}\nRUN echo there is no such thing && false\n")
    with pytest.raises(SetupError, match="was not built: there is no such thing"):
        build()
