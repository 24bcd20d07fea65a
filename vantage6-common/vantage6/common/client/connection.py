"""How a server is reached from here: over which proxy, and whom to trust on the way."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vantage6.common.exceptions import ConfigurationError

if TYPE_CHECKING:
    import requests

# Where the operator of a machine says whom its programs shall trust.
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def trusted_by(variables: Mapping[str, str]) -> str | None:
    """The file of the authorities that the variables of a process name, if they do."""
    return next((variables[name] for name in _BUNDLES if variables.get(name)), None)


@dataclass(frozen=True)
class Connection:
    """The way to a server; calls and sockets take the same one.

    Attributes
    ----------
    proxy : str, optional
        URL of an HTTP proxy; by default the environment decides.
    ca_file : Path, optional
        Certificates (PEM) of the authorities to trust; by default the environment decides,
        else those that the library brings.
    """

    proxy: str | None = None
    ca_file: Path | None = None

    def apply(self, session: "requests.Session", url: str) -> None:
        """Have a session go this way to a server.

        The environment is asked here, once, for two reasons: the library lets it win over what
        is configured, and a `.netrc` of whoever runs us would replace our tokens.

        Raises
        ------
        ConfigurationError
            When the certificates cannot be read.
        """
        session.trust_env = False
        session.proxies = self._proxies(url)
        session.verify = self._authorities()

    def session(self, url: str) -> "requests.Session":
        """A new session that goes this way to a server.

        Raises
        ------
        ConfigurationError
            When the certificates cannot be read.
        """
        import requests

        session = requests.Session()
        self.apply(session, url)
        return session

    def _proxies(self, url: str) -> dict[str, str]:
        # Slow to import, and not everybody has a session of this library.
        from requests.utils import get_environ_proxies

        if self.proxy:
            return {"http": self.proxy, "https": self.proxy}
        return {str(scheme): proxy for scheme, proxy in get_environ_proxies(url).items()}

    def _authorities(self) -> str | bool:
        found = self.ca_file or trusted_by(os.environ)
        if found is None:
            return True
        if not Path(found).exists():
            raise ConfigurationError(f"The file of trusted certificates {found} is not there")
        return str(found)
