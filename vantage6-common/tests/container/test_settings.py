"""What all containers of ours have in common, without an engine."""

from pathlib import Path

import pytest

from vantage6.common.container import image, settings
from vantage6.common.exceptions import ConfigurationError


class TestSource:
    def test_a_checkout_goes_before_the_image(self, tmp_path: Path) -> None:
        for part in ("vantage6-common", "vantage6-server", "docs"):
            (tmp_path / part / "vantage6").mkdir(parents=True)
        assert settings.source_path(tmp_path, "vantage6-server") == (
            "/vantage6/vantage6-common:/vantage6/vantage6-server"
        )

    def test_any_other_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="is not a checkout"):
            settings.source_path(tmp_path, "vantage6-server")


class TestImage:
    def test_the_first_that_is_named(self) -> None:
        assert image.choose("mine:2", "registry.example/v6:1", "ours:1") == "mine:2"
        assert image.choose(None, "registry.example/v6:1", "ours:1") == "registry.example/v6:1"
        assert image.choose(None, None, "ours:1") == "ours:1"

    def test_what_is_no_name(self) -> None:
        with pytest.raises(ConfigurationError, match="is not the name of a container image"):
            image.choose("a b")

    @pytest.mark.parametrize(
        ("name", "has_one"),
        [
            ("vantage6/infrastructure-server:1", False),
            ("server", False),
            ("docker.io/vantage6/server:1", True),
            ("registry.example/server:1", True),
            ("localhost:5000/server", True),
        ],
    )
    def test_only_a_name_with_a_registry_is_looked_for_in_one(
        self, name: str, has_one: bool
    ) -> None:
        assert image.names_registry(name) is has_one


def test_engines_with_users_of_their_own_leave_ours_be() -> None:
    assert settings.user_namespace(["name=seccomp", "name=userns"]) == {"userns_mode": "host"}
    assert settings.user_namespace(["name=seccomp"]) == {}


def test_one_that_is_kept_starts_again_by_itself() -> None:
    assert settings.ending(keep=True) == {"restart_policy": {"Name": "unless-stopped"}}
    assert settings.ending(keep=False) == {"auto_remove": True}
