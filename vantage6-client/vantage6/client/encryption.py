"""The cryptors at their classic place."""

from vantage6.common.encryption import SEPARATOR, CryptorBase, DummyCryptor, RSACryptor

__all__ = ["SEPARATOR", "CryptorBase", "DummyCryptor", "RSACryptor"]
