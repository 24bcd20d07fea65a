"""The blocks of the configuration: keys below a key; see `configuration.py`."""

import os

from marshmallow import INCLUDE, Schema, fields, validate

from vantage6.node.configuration_disclosure import own_thresholds
from vantage6.node.configuration_fields import (
    Duration,
    Name,
    Pattern,
    Size,
    Text,
)
from vantage6.node.globals import RELAY_IMAGE

_SMALLEST_MEMORY = 16 * 2**20


class Block(Schema):
    class Meta:
        unknown = INCLUDE


def block(schema: type[Schema], description: str) -> fields.Nested:
    """A block that may be left out, so that each of its keys has its default."""
    return fields.Nested(
        schema, load_default=lambda: schema().load({}), metadata={"description": description}
    )


class EncryptionSchema(Block):
    """The `encryption` block."""

    enabled = fields.Boolean(
        required=True,
        truthy={True},
        falsy={False},
        metadata={"description": "Whether payloads are encrypted; the collaboration must agree."},
    )
    private_key = fields.String(
        load_default="",
        allow_none=True,
        metadata={
            "description": "The private key of the organization; a relative path is looked for "
            "in the data folder.",
            "default": "`private_key.pem`",
        },
    )
    envelope = fields.String(
        load_default="both",
        validate=validate.OneOf(["both", "authenticated", "classic"]),
        metadata={
            "description": "Which inputs are taken: signed and classic ones, signed ones only, "
            "or classic ones only (then nobody is told that this node could read others).",
        },
    )


class LimitsSchema(Block):
    """The `limits` block: what one container may use, and leave behind."""

    memory = Size(
        load_default=4 * 2**30,
        validate=validate.Range(min=_SMALLEST_MEMORY),
        metadata={"description": "Memory; there is no swap beyond it.", "default": "`4g`"},
    )
    cpus = fields.Float(
        load_default=lambda: float(os.cpu_count() or 1),
        validate=validate.Range(min=0, min_inclusive=False),
        metadata={"description": "Processors, also parts of one.", "default": "all"},
    )
    pids = fields.Integer(
        load_default=512,
        validate=validate.Range(min=1),
        metadata={"description": "Processes and threads."},
    )
    input = Size(
        load_default=10 * 2**30,
        validate=validate.Range(min=1),
        metadata={"description": "The largest input that is taken.", "default": "`10g`"},
    )
    output = Size(
        load_default=2**30,
        validate=validate.Range(min=1),
        metadata={"description": "The largest result that is sent.", "default": "`1g`"},
    )
    time = Duration(
        load_default=None,
        allow_none=True,
        validate=validate.Range(min=1),
        metadata={
            "description": "How long a container may run, such as `30m` or `12h`.",
            "default": "no limit",
        },
    )
    disk = Size(
        load_default=10 * 2**30,
        validate=validate.Range(min=1),
        metadata={
            "description": "What a run may write to its folders of the node.",
            "default": "`10g`",
        },
    )
    tmp = Size(
        load_default=256 * 2**20,
        validate=validate.Range(min=2**20),
        metadata={
            "description": "What a container may write to each of /tmp, /var/tmp, /run, its "
            "home, /dev/shm and volumes of its image, which are in its memory.",
            "default": "`256m`",
        },
    )


class ImagesSchema(Block):
    """The `images` block: images of the node itself."""

    relay = fields.String(
        load_default=RELAY_IMAGE,
        metadata={
            "description": "The relay between a run and the node.",
            "default": "that of this version",
        },
    )
    node = fields.String(
        allow_none=True,
        metadata={
            "description": "What `vnode start` runs.",
            "default": "that of this version",
        },
    )
    alpine = fields.String(
        allow_none=True,
        metadata={
            "description": "The helper of private networks.",
            "without_effect": "there are no private networks yet",
        },
    )
    vpn_client = fields.String(
        allow_none=True,
        metadata={
            "description": "The client of private networks.",
            "without_effect": "there are no private networks yet",
        },
    )
    network_config = fields.String(
        allow_none=True,
        metadata={
            "description": "What sets up the host for private networks.",
            "without_effect": "there are no private networks yet",
        },
    )


class RegistrySchema(Block):
    """One entry of `docker_registries`."""

    registry = fields.String(required=True)
    username = Text(required=True)
    password = Text(required=True)


class ConnectionSchema(Block):
    """The `connection` block: how the server is reached from this house."""

    proxy = fields.URL(
        load_default=None,
        allow_none=True,
        require_tld=False,
        schemes={"http", "https"},
        metadata={
            "description": "The HTTP proxy on the way to the server.",
            "default": "that of the environment (`HTTPS_PROXY`, `NO_PROXY`)",
        },
    )
    ca_file = fields.String(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "The certificates (PEM) of the authority that signed the server's.",
            "default": "`REQUESTS_CA_BUNDLE` or `SSL_CERT_FILE`, else those of Python's certifi",
        },
    )
    socket = fields.Boolean(
        load_default=True,
        metadata={
            "description": "Whether to listen to the events of the server; it is asked for work "
            "every few seconds otherwise.",
        },
    )


class ImageRuleSchema(Block):
    """One entry of `policies.images`: what is different for images that match."""

    image = Pattern(
        required=True,
        metadata={"description": "A pattern, as in `allowed_images`; the first match counts."},
    )
    allowed_methods = fields.List(
        Pattern(),
        load_default=None,
        allow_none=True,
        metadata={"description": "As in `policies`, and in its place.", "default": "as there"},
    )
    run_as = fields.String(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "The user (`uid:gid`) that it runs as.",
            "default": "the one that the image names",
        },
    )
    writable_root = fields.Boolean(
        load_default=False,
        metadata={"description": "Let it write to the file system of its image."},
    )
    writable_database = fields.Boolean(
        load_default=False,
        metadata={"description": "Give each run a copy of its database that it may change."},
    )
    databases = fields.List(
        Text(),
        load_default=list,
        metadata={
            "description": "Labels of databases that it gets besides the one of the task.",
            "default": "none",
        },
    )
    gpu = fields.Boolean(load_default=False, metadata={"description": "Give it the GPUs."})
    limits = fields.Dict(
        keys=fields.String(),
        load_default=dict,
        metadata={"description": "As the block `limits`, and in its place.", "default": "none"},
    )
    disclosure = fields.Dict(
        keys=fields.String(),
        load_default=dict,
        validate=own_thresholds,
        metadata={
            "description": "As the block `disclosure`, and in its place.",
            "default": "none",
        },
    )


class PoliciesSchema(Block):
    """The `policies` block: who may have what done here."""

    allowed_organizations = fields.List(
        Name(),
        load_default=None,
        allow_none=True,
        metadata={
            "description": "The organizations whose tasks run here: names as text, ids as "
            "numbers. Left out: all of the collaboration.",
        },
    )
    allowed_users = fields.List(
        Name(),
        load_default=None,
        allow_none=True,
        metadata={
            "description": "The users whose tasks run here, likewise; needs "
            "`trust_server_identity`, since only the server knows them.",
        },
    )
    allowed_methods = fields.List(
        Pattern(),
        load_default=None,
        allow_none=True,
        metadata={
            "description": "Regular expressions, one of which has to match the whole name of the "
            "method that the input asks for. Left out: any.",
        },
    )
    trust_server_identity = fields.Boolean(
        load_default=False,
        metadata={
            "description": "Whether the server is believed who asked, where no signature says so.",
        },
    )
    images = fields.List(
        fields.Nested(ImageRuleSchema),
        load_default=list,
        metadata={
            "description": "Exceptions for single images.",
        },
    )
