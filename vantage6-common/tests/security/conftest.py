"""Keys of two organizations, as files and as objects."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from vantage6.common.encryption import RSACryptor


@pytest.fixture(scope="session")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> RSACryptor:
    return _organization(tmp_path_factory.mktemp("hospital"))


@pytest.fixture(scope="session")
def researcher(tmp_path_factory: pytest.TempPathFactory) -> RSACryptor:
    return _organization(tmp_path_factory.mktemp("researcher"))


@pytest.fixture(scope="session")
def attacker(tmp_path_factory: pytest.TempPathFactory) -> RSACryptor:
    return _organization(tmp_path_factory.mktemp("attacker"))


def _organization(folder: Path) -> RSACryptor:
    # Not the 4096 bits of real keys: to make them takes seconds.
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    (folder / "private_key.pem").write_bytes(pem)
    return RSACryptor(folder / "private_key.pem")
