"""`vnode-local image`: images with their proof, for owners and for those who make them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import click
from docker import auth
from docker.errors import APIError

from vantage6.common import image as images
from vantage6.common.cli import FriendlyGroup, json_option
from vantage6.common.context import InstanceContext
from vantage6.common.engine import connect
from vantage6.common.image import ImageReference
from vantage6.node.cli.options import with_instance
from vantage6.node.image import bundle
from vantage6.node.image.registry import Repository
from vantage6.node.image.signature import fetch_signatures, load_private_key, publish, sign
from vantage6.node.image.store import ImageStore, digest_of

_SECONDS = 600


@click.group(cls=FriendlyGroup)
def image() -> None:
    """Sign images, and bring them into a house that reaches no registry."""


@image.command("sign")
@click.argument("name")
@click.option("--key", type=click.Path(path_type=Path), required=True, help="Private key (PEM).")
@click.option(
    "--password",
    envvar="VANTAGE6_KEY_PASSWORD",
    help="Of the key; better given as VANTAGE6_KEY_PASSWORD.",
)
def sign_image(name: str, key: Path, password: str | None) -> None:
    """Sign what an image is now in its registry, and put the signature beside it.

    The log-in is that of `docker login`.
    """
    reference = _parse(name)
    log_ins = _log_ins(reference)
    private_key = load_private_key(key, password)
    repository = Repository(reference, log_ins.get(reference.domain))
    manifest = repository.manifest(reference.digest or reference.tag or "")
    digest = digest_of(manifest)
    added = sign(private_key, reference, digest)
    publish(repository, digest, [*fetch_signatures(log_ins, reference, digest), added])
    click.echo(f"Signed {reference.domain}/{reference.path}@{digest}")


@image.command("save")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def save_image(name: str, file: Path) -> None:
    """Write an image of this machine into a file, with its manifest and its signatures."""
    reference = _parse(name)
    log_ins = _log_ins(reference)
    repository = Repository(reference, log_ins.get(reference.domain))
    digest = digest_of(repository.manifest(reference.digest or reference.tag or ""))
    signatures = fetch_signatures(log_ins, reference, digest)
    with _engine() as api:
        bundle.save(api, repository, str(reference), signatures, file)
    click.echo(f"Saved {reference.domain}/{reference.path}@{digest}, signatures: {len(signatures)}")


@image.command("load")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@with_instance
def load_image(context: InstanceContext, file: Path) -> None:
    """Load what `image save` wrote, for a node of this machine."""
    with _engine() as api:
        image_name, digest = bundle.load(api, ImageStore.of(context.data_dir), file)
    click.echo(f"Loaded {image_name}, {digest}")


@image.command("list")
@with_instance
@json_option
def list_images(context: InstanceContext, as_json: bool) -> None:
    """Show the images that were loaded for a node, and how many signatures each has."""
    found = dict(bundle.signatures_here(ImageStore.of(context.data_dir)))
    if as_json:
        click.echo(json.dumps(found))
        return
    if not found:
        click.echo("No images were loaded for this node")
    for digest, signatures in found.items():
        click.echo(f"{digest}  signatures: {signatures}")


def _parse(name: str) -> ImageReference:
    try:
        return images.parse(name)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _log_ins(reference: ImageReference) -> dict[str, Mapping[str, str]]:
    """What `docker login` keeps for the registry of an image."""
    found = auth.resolve_authconfig(auth.load_config(), reference.domain)
    if not found or "username" not in found:
        return {}
    entry = {"username": found["username"], "password": found["password"]}
    return {reference.domain: entry}


@contextmanager
def _engine() -> Iterator[Any]:
    try:
        with closing(connect(timeout=_SECONDS, connections=1)) as api:
            yield api
    except APIError as error:
        raise click.ClickException(f"The container engine refuses: {error.explanation}") from error
