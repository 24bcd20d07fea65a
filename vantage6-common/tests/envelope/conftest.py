"""Two organizations with keys, and a third one that has nothing to do with them."""

from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from vantage6.common.authenticated import InputContext
from vantage6.common.image import canonical


@dataclass(frozen=True)
class Person:
    """Who has a key."""

    private: RSAPrivateKey

    @property
    def public(self) -> RSAPublicKey:
        return self.private.public_key()


def _person() -> Person:
    return Person(rsa.generate_private_key(public_exponent=65537, key_size=2048))


@pytest.fixture(scope="session")
def sender() -> Person:
    return _person()


@pytest.fixture(scope="session")
def recipient() -> Person:
    return _person()


@pytest.fixture(scope="session")
def stranger() -> Person:
    return _person()


@pytest.fixture(scope="session")
def context() -> InputContext:
    return InputContext(collaboration_id=1, image=canonical("average"), sender=2, recipient=3)
