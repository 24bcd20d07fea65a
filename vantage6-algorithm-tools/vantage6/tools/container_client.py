"""The client of algorithms at its classic place."""

from vantage6.common.client.container import AlgorithmClient, ContainerClient

__all__ = ["AlgorithmClient", "ClientContainerProtocol", "ContainerClient"]

ClientContainerProtocol = ContainerClient
