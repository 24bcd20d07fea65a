"""What a token says of itself; only the server can tell whether it is true.

PyJWT does this too, but imports a cryptography library that algorithm containers would wait
for at each start (a tenth of a second), and no signature is looked at here.
"""

import base64
import binascii
import json
from typing import Any

from vantage6.common.exceptions import AuthenticationException


def unverified_claims(token: str) -> dict[str, Any]:
    """The claims inside a JSON web token, without a check of its signature.

    Raises
    ------
    AuthenticationException
        When the text is no token.
    """
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError, binascii.Error) as error:
        raise AuthenticationException("The text is not a token") from error
    if not isinstance(claims, dict):
        raise AuthenticationException("The token holds no claims")
    return claims


def subject(token: str) -> Any:
    """Whom a token stands for: an id for users and nodes, an object for containers.

    Servers before 3.3 called the claim `identity`.
    """
    claims = unverified_claims(token)
    return claims["sub"] if "sub" in claims else claims.get("identity")
