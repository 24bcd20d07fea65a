"""The command `create-private-key`."""

import json
import sys
from typing import TYPE_CHECKING

import click

from vantage6.common.cli import json_option
from vantage6.common.context import InstanceContext
from vantage6.common.exceptions import AuthenticationException, ConfigurationError
from vantage6.node.cli.options import with_instance

if TYPE_CHECKING:
    from vantage6.node.private_key import Account, KeyFile


@click.command("create-private-key")
@with_instance
@click.option(
    "-o",
    "--organization-name",
    help="Whose key it is; without it, that of the user who logs in to the server.",
)
@click.option(
    "--overwrite", "--force", "overwrite", is_flag=True,
    help="Put a key that is there aside and make another; otherwise it is used.",
)  # fmt: skip
@click.option(
    "--upload/--no-upload",
    default=None,
    help="Whether to log in to the server and leave the public key there; asked otherwise.",
)
@click.option(
    "--replace-public-key",
    is_flag=True,
    help="Replace another public key that the server has, for all nodes and users of the "
    "organization.",
)
@click.option("--username", help="Who logs in; the password is asked for, or read as a line.")
@click.option("--mfa-code", help="The code of the authenticator app, where the server wants one.")
@json_option
def create_private_key(
    context: InstanceContext,
    organization_name: str | None,
    overwrite: bool,
    upload: bool | None,
    replace_public_key: bool,
    username: str | None,
    mfa_code: str | None,
    as_json: bool,
) -> None:
    """Make the private key of the organization, and leave its public half at the server.

    Without a new key being made, the one that is there is used.
    """
    from vantage6.common.config import change_configuration
    from vantage6.node import private_key

    upload = _decide("Leave the public key at the server?", upload, "--upload or --no-upload")
    account = None
    if upload or not organization_name:
        account = _log_in(context, username, mfa_code)
        organization_name = _same_organization(account, organization_name)
    path = private_key.path_of(context, str(organization_name))
    if account and upload and account.public_key:
        is_same = not overwrite and private_key.fits(path, account.public_key)
        if not is_same:
            _permit_replacement(account, replace_public_key)
    key = private_key.provide(path, overwrite)
    change_configuration(
        context.config_file, context.environment, ("encryption", "private_key"), str(key.path)
    )
    told = _upload(account, key) if account and upload else "The public key was not uploaded"
    if as_json:
        click.echo(
            json.dumps(
                {
                    "path": str(key.path),
                    "made": key.made,
                    "kept": str(key.kept) if key.kept else None,
                    "public_key": key.public_key,
                    "uploaded": bool(upload),
                }
            )
        )
        return
    click.echo(f"{'Made' if key.made else 'Using'} the private key {key.path}")
    if key.kept:
        click.echo(f"The one before is kept: {key.kept}")
    click.echo(f"{context.config_file} names it now\n{told}")
    if not context.config["encryption"]["enabled"]:
        click.echo("The encryption of this node is off: see `encryption.enabled`")


def _decide(question: str, given: bool | None, options: str) -> bool:
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise ConfigurationError(f"{question} Say {options}")
    return click.confirm(question, default=True)


def _log_in(context: InstanceContext, username: str | None, code: str | None) -> "Account":
    from vantage6.node.private_key import Account
    from vantage6.node.visibility import is_known_inside_only

    if is_known_inside_only(context.config):
        raise ConfigurationError(
            "Only containers know the name of the server, so nobody can log in to it from here: "
            "say --no-upload and --organization-name NAME, and the node leaves the public key at "
            "the server when it starts"
        )
    account = Account(context)
    is_terminal = sys.stdin.isatty()
    if not username and not is_terminal:
        raise ConfigurationError("Say who logs in: --username NAME, with the password as input")
    username = username or str(click.prompt("Username"))
    password = (
        str(click.prompt("Password", hide_input=True))
        if is_terminal
        else sys.stdin.readline().rstrip("\n")
    )
    try:
        account.log_in(username, password, code)
    except AuthenticationException as error:
        # What our servers and those of the classic line say where only the code is missing.
        if code or "mfa" not in str(error).lower() or not is_terminal:
            raise
        account.log_in(username, password, str(click.prompt("Code of the authenticator app")))
    return account


def _same_organization(account: "Account", wanted: str | None) -> str:
    if wanted and wanted != account.name:
        raise ConfigurationError(
            f"Who logged in belongs to {account.name!r}, and cannot give {wanted!r} a key"
        )
    return account.name


def _permit_replacement(account: "Account", given: bool) -> None:
    """Raise ConfigurationError unless the operator wants another key at the server replaced."""
    if given:
        return
    fact = f"The server knows {account.name!r} with another public key"
    if not sys.stdin.isatty():
        raise ConfigurationError(
            f"{fact}; nothing was changed. To replace it, for all nodes and users of the "
            "organization, say --replace-public-key"
        )
    click.confirm(
        f"{fact}. Replace it, for all nodes and users of the organization?",
        default=False,
        abort=True,
    )


def _upload(account: "Account", key: "KeyFile") -> str:
    if account.public_key == key.public_key:
        return f"The server has the public key of {account.name!r} already"
    account.set_public_key(key.public_key)
    done = "was replaced by" if account.public_key else "is now"
    return f"The public key of {account.name!r} at the server {done} that of this key"
