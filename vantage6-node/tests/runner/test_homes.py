"""Which folder is the home of a container's user, and what becomes of it."""

import io
import secrets
import tarfile
from pathlib import PurePosixPath

import pytest

from vantage6.node.runner.homes import Home, home_of, is_leftover, is_usable

PASSWD = """root:x:0:0:root:/root:/bin/bash
algorithm:x:1000:1000::/home/algorithm:/bin/sh
broken
"""


@pytest.mark.parametrize(
    ("user", "home"),
    [
        ("", "/root"),
        ("0", "/root"),
        ("1000:1000", "/home/algorithm"),
        ("algorithm:users", "/home/algorithm"),
        ("65534:65534", "/"),
        ("x", "/"),
    ],
)
def test_the_home_of_a_user(user, home):
    assert home_of(user, PASSWD) == home


@pytest.mark.parametrize(
    ("home", "usable"),
    [
        ("/root", True),
        ("/home/a", True),
        ("/nonexistent", True),
        ("/", False),
        ("", False),
        ("relative", False),
        ("/home/../etc", False),
        ("/etc", False),
        ("/proc/1", False),
        ("/mnt", False),
        ("/mnt/data/x", False),
        ("/mnt/tmp", False),
    ],
)
def test_what_can_be_a_home(home, usable):
    assert is_usable(PurePosixPath(home)) is usable


@pytest.mark.parametrize(
    ("name", "kind", "leftover"),
    [
        ("root", tarfile.DIRTYPE, True),
        ("root/.cache", tarfile.DIRTYPE, True),
        ("root/.bashrc", tarfile.REGTYPE, True),
        ("root/.cache/pip/a/b", tarfile.REGTYPE, True),
        ("root/.cache/models/weights", tarfile.REGTYPE, False),
        ("root/.local/lib/python3/site.py", tarfile.REGTYPE, False),
        ("root/.bashrc", tarfile.SYMTYPE, False),
        ("root", tarfile.SYMTYPE, False),
    ],
)
def test_what_nobody_misses_in_a_home(name, kind, leftover):
    member = tarfile.TarInfo(name)
    member.type = kind
    assert is_leftover(member) is leftover


def test_what_becomes_a_folder_in_memory():
    home, data, volume = (PurePosixPath(path) for path in ("/root", "/mnt/data", "/volume"))
    volumes = (volume, data)
    assert Home(home, is_free=True, volumes=volumes).in_memory([data]) == {home, volume}
    assert Home(home, is_free=False, volumes=volumes).in_memory([data]) == {volume}


@pytest.fixture
def image(engine):
    """Make images like that of the probe, with other settings and further files."""
    made = []

    def make(conf=None, **files):
        container = engine.containers.create("vantage6/test-probe:latest")
        container.put_archive("/", _archive(files))
        tag = f"vantage6/test-{secrets.token_hex(4)}"
        container.commit(tag, conf=conf)
        container.remove()
        made.append(tag)
        return tag

    yield make
    for tag in made:
        engine.images.remove(tag, force=True)


def _archive(files):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text), 0o755
            archive.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()


PROGRAM = """
import json, os
home = os.environ["HOME"]
def writes(folder):
    try:
        open(os.path.join(folder, "x"), "w").close()
    except OSError:
        return False
    return True
kept = os.path.join("/root", "kept")
with open(os.environ["OUTPUT_FILE"], "w") as file:
    json.dump([home, writes(home), os.path.exists(kept), writes("/usr")], file)
"""


@pytest.mark.docker
@pytest.mark.parametrize(
    ("conf", "files", "options", "found"),
    [
        (None, {}, {}, ["/root", True, False, False]),
        ({"Env": ["HOME=/somewhere"]}, {}, {}, ["/somewhere", True, False, False]),
        ({"Env": ["HOME=/"]}, {}, {}, ["/tmp", True, False, False]),
        ({"User": "4321:4321"}, {}, {}, ["/tmp", True, False, False]),
        (None, {"root/kept": "x"}, {}, ["/root", False, True, False]),
        (None, {"root/kept": "x"}, {"writable_root": True}, ["/root", True, True, True]),
    ],
)
def test_a_home_can_be_written_to_and_hides_nothing(
    make_runner, probe, notices, image, conf, files, options, found
):
    runner = make_runner()
    runner.connect()
    runner.open(notices.put)
    run, settings = probe(PROGRAM, image=image(conf, **files), image_user="?", **options)
    runner.create(settings)
    runner.start(run.result_id)
    notices.wait_for_end(run.result_id)
    assert runner.ending(run.result_id, 10).log == ""
    assert probe.output(run) == found


SIZES = """
import json, os
sizes = [os.statvfs(path).f_blocks * os.statvfs(path).f_bsize for path in ("/a", "/mnt", "/b/c")]
open("/a/x", "w").close()
json.dump(sizes, open(os.environ["OUTPUT_FILE"], "w"))
"""


@pytest.mark.docker
def test_volumes_that_an_image_declares_are_bounded(make_runner, probe, notices, image, api):
    """The engine would make them on its own disk, where nobody counts."""
    runner = make_runner()
    runner.connect()
    runner.open(notices.put)
    declared = {path: {} for path in ("/a", "/b/c", "/mnt", "/mnt/data", "/tmp")}
    run, settings = probe(SIZES, image=image({"Volumes": declared}), image_user="?")
    runner.create(settings)
    runner.start(run.result_id)
    notices.wait_for_end(run.result_id)
    assert runner.ending(run.result_id, 10).log == ""
    assert probe.output(run) == [2**20] * 3
    labels = [f"result_id={run.result_id}", f"vantage6-instance={probe.identity.instance}"]
    (container,) = api.containers(all=True, filters={"label": labels})
    assert {mount["Type"] for mount in container["Mounts"]} == {"bind"}
