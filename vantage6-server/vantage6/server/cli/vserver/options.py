"""What several commands of `vserver` share."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vantage6.common.container import commands
from vantage6.common.container.commands import Product

if TYPE_CHECKING:
    from vantage6.server.container.deployment import Deployment

SERVER = Product("server", "vserver", "vserver-local", of_system=True)
keep_option = commands.keep_option(SERVER)


@contextmanager
def showing_root_password(deployment: "Deployment") -> Iterator[None]:
    """Show the first password of `root` at the end, however that comes about.

    What was made stays made when the server then fails, or nobody waits for it; the password of
    a start that was not waited for is shown by the next.
    """
    from vantage6.server import instance

    try:
        yield
    finally:
        password = deployment.take_root_password()
        if password:
            instance.show_root_password(password)
