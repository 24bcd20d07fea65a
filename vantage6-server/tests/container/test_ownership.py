"""As whom a server in a container runs, and what is given to that user."""

import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from vantage6.common.exceptions import ConfigurationError
from vantage6.server.container import ownership
from vantage6.server.container.ownership import NONROOT, find_owner, prepare
from vantage6.server.container.settings import Owner, Places

ALICE = Owner(12345, 12346)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of root's through which others may pass, unlike that of the tests."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture
def places(folder: Path) -> Places:
    config = folder / "hospital.yaml"
    config.touch(0o600)
    data = folder / "data"
    return Places(config, data, folder / "log", data / "v6.sqlite", ("v6.sqlite", "hospital"))


def owners(*paths: Path) -> set[Owner]:
    return {Owner(path.lstat().st_uid, path.lstat().st_gid) for path in paths}


class TestWho:
    def test_who_is_not_root_is_himself(
        self, places: Places, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ownership.os, "geteuid", lambda: 1000)
        monkeypatch.setattr(ownership.os, "getegid", lambda: 1001)
        assert find_owner(places) == Owner(1000, 1001)

    @needs_root
    def test_for_root_it_is_nobody_that_has_anything(self, places: Places) -> None:
        assert find_owner(places) == NONROOT

    @needs_root
    def test_for_root_the_owner_of_the_configuration_goes_before_that_of_the_data(
        self, places: Places
    ) -> None:
        places.data.mkdir()
        os.chown(places.data, ALICE.uid, ALICE.gid)
        assert find_owner(places) == ALICE
        os.chown(places.config, 1, 1)
        assert find_owner(places) == Owner(1, 1)

    def test_the_root_of_a_rootless_engine_is_the_user(self, places: Places) -> None:
        assert find_owner(places, ["name=rootless"]) == Owner(0, 0)


@needs_root
class TestPrepare:
    def test_new_folders_belong_to_the_server_alone(self, places: Places) -> None:
        prepare(places, ALICE)
        assert owners(places.data, places.log) == {ALICE}
        assert stat.S_IMODE(places.data.stat().st_mode) == 0o700

    def test_the_configuration_can_be_read_by_its_group_and_nobody_else(
        self, places: Places
    ) -> None:
        prepare(places, ALICE)
        assert owners(places.config) == {Owner(0, ALICE.gid)}
        assert stat.S_IMODE(places.config.stat().st_mode) == 0o640

    def test_files_of_root_are_given_away_and_those_behind_links_are_not(
        self, places: Places, tmp_path: Path
    ) -> None:
        places.data.mkdir()
        secret, elsewhere = tmp_path / "shadow", places.data / "v6.sqlite-link"
        secret.touch(0o600)
        elsewhere.symlink_to(secret)
        (places.data / "v6.sqlite-hard").hardlink_to(secret)
        (places.data / "v6.sqlite").touch()
        prepare(places, ALICE)
        assert owners(places.data / "v6.sqlite") == {ALICE}
        assert owners(secret, elsewhere) == {Owner(0, 0)}

    def test_a_folder_with_files_of_others_is_not_taken(self, places: Places) -> None:
        """A log folder such as /var/log must stay that of root."""
        places.log.mkdir()
        (places.log / "messages").touch()
        with pytest.raises(ConfigurationError, match=r"belongs to another user .* messages"):
            prepare(places, ALICE)
        assert owners(places.log) == {Owner(0, 0)}

    def test_nobody_leads_us_to_a_folder_of_the_system(
        self, places: Places, tmp_path: Path
    ) -> None:
        system = tmp_path / "etc"
        system.mkdir()
        (system / "passwd").touch()
        places.data.symlink_to(system)
        with pytest.raises(ConfigurationError, match="passwd"):
            prepare(places, ALICE)
        assert owners(system, system / "passwd") == {Owner(0, 0)}

    def test_a_folder_with_our_files_only_is(self, places: Places) -> None:
        places.data.mkdir()
        (places.data / "v6.sqlite-wal").touch()
        prepare(places, ALICE)
        assert owners(places.data, places.data / "v6.sqlite-wal") == {ALICE}

    def test_who_writes_a_configuration_is_not_given_what_is_roots(self, places: Places) -> None:
        """Not even an empty folder, such as /usr/local/sbin, in which root looks for commands."""
        places.data.mkdir()
        places.log.mkdir()
        os.chown(places.config, ALICE.uid, ALICE.gid)
        with pytest.raises(ConfigurationError, match="may not write into"):
            prepare(places, find_owner(places))
        assert owners(places.data, places.log) == {Owner(0, 0)}

    def test_who_writes_a_configuration_has_no_folders_made_where_he_may_not(
        self, places: Places
    ) -> None:
        os.chown(places.config, ALICE.uid, ALICE.gid)
        with pytest.raises(ConfigurationError, match="Permission denied"):
            prepare(places, find_owner(places))
        assert not places.data.exists()
        assert os.geteuid() == 0

    def test_who_owns_what_is_above_does_not_lead_us_to_what_is_roots(
        self, places: Places, folder: Path
    ) -> None:
        home, empty = folder / "home", folder / "sbin"
        home.mkdir(0o755)
        empty.mkdir()
        (home / "data").symlink_to(empty)
        os.chown(home, ALICE.uid, ALICE.gid)
        led = replace(places, data=home / "data", database=None)
        with pytest.raises(ConfigurationError, match="may not write into"):
            prepare(led, ALICE)
        assert owners(empty) == {Owner(0, 0)}

    def test_who_has_a_home_has_his_folders_made_there(self, places: Places, folder: Path) -> None:
        home = folder / "home"
        home.mkdir(0o755)
        os.chown(home, ALICE.uid, ALICE.gid)
        his = Places(home / "v6.yaml", home / "data", home / "log", None, places.ours)
        his.config.touch(0o600)
        os.chown(his.config, ALICE.uid, ALICE.gid)
        prepare(his, find_owner(his))
        assert owners(his.data, his.log) == {ALICE}

    def test_a_folder_of_somebody_else_is_refused(self, places: Places) -> None:
        places.log.mkdir()
        os.chown(places.log, 1, 1)
        with pytest.raises(ConfigurationError, match=f"chown -R {ALICE}"):
            prepare(places, ALICE)


def test_a_folder_that_cannot_be_made_is_said(places: Places) -> None:
    places.data.write_text("")
    with pytest.raises(ConfigurationError, match="cannot be used: File exists"):
        prepare(places, Owner(os.geteuid(), os.getegid()))
