"""How passwords are kept and compared."""

import bcrypt
import pytest

from vantage6.server.service.password import hash_password, matches


@pytest.mark.parametrize("password", ["Passw0rd!", "ü" * 36, "ü" * 37, "x" * 128, "nul\0byte"])
def test_a_password_matches_its_own_hash_only(password: str) -> None:
    hashed = hash_password(password)
    assert matches(password, hashed)
    assert not matches(password + "x", hashed)
    assert not matches(password[:-1], hashed)


def test_hashes_of_the_classic_line_are_still_good() -> None:
    assert matches("Passw0rd!", bcrypt.hashpw(b"Passw0rd!", bcrypt.gensalt(4)).decode())


def test_nothing_matches_where_there_is_no_account() -> None:
    assert not matches("nobody", None)
