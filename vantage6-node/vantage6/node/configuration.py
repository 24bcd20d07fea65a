"""The configuration of a node: the documented keys, and ours."""

import os
import re
from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError, fields, pre_load, validate

from vantage6.common.config import InstanceSchema
from vantage6.node.configuration_fields import (
    AliasField,
    DatabasesField,
    DestinationField,
    ServiceField,
    split_databases,
)
from vantage6.node.globals import RELAY_IMAGE

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What the loader of programs, shells and interpreters take code from, and where data would go.
_RESERVED = re.compile(
    r"LD_.*|GLIBC_.*|MALLOC_.*|PATH|IFS|BASH_ENV|BASH_FUNC_.*|SHELLOPTS|PYTHON(PATH|HOME|STARTUP"
    r"|BREAKPOINT|INSPECT|USERBASE|PLATLIBDIR)|PERL5(LIB|OPT)|RUBY(LIB|OPT)|NODE_OPTIONS"
    r"|R_(HOME|LIBS|LIBS_SITE|LIBS_USER|PROFILE|PROFILE_USER|ENVIRON|ENVIRON_USER)"
    r"|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|.*_PROXY"
)
_SMALLEST_MEMORY = 16 * 2**20


class Size(fields.Field[int]):
    """A number of bytes, also written as `512m` or `4g`."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int:
        match = _SIZE.fullmatch(str(value).strip())
        if match is None:
            raise ValidationError("Write a size like 512m or 4g")
        return int(float(match[1]) * _UNITS[match[2].lower()])


class Pattern(fields.String):
    """A regular expression."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        pattern: str = super()._deserialize(value, attr, data, **kwargs)
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValidationError(f"{pattern!r} is not a regular expression: {error}") from error
        return pattern


class Duration(fields.Field[float]):
    """A number of seconds, also written as `30s`, `15m`, `2h` or `1d`."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> float:
        match = _DURATION.fullmatch(str(value).strip())
        if match is None:
            raise ValidationError("Write a duration like 30s, 15m, 2h or 1d")
        return float(match[1]) * _SECONDS[match[2]]


class Name(fields.Field[int | str]):
    """A name, or an id: a number is an id, a text a name, and never the one for the other."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int | str:
        if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
            raise ValidationError("Write a name, or an id as a number")
        return value


class Text(fields.String):
    """A text; numbers are taken as the text they are written as."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        text: str = super()._deserialize(value, attr, data, **kwargs)
        return text


class VariableName(fields.String):
    """The name of a variable of an algorithm, and none that changes what programs it runs."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        name: str = super()._deserialize(value, attr, data, **kwargs)
        if not _VARIABLE.fullmatch(name):
            raise ValidationError(f"{name!r} is not the name of a variable")
        if _RESERVED.fullmatch(name.upper()):
            raise ValidationError(
                f"{name} says which programs and libraries run, or where connections go; that is "
                "for the image to say"
            )
        return name


# Whether a key that the documentation has does anything here is said in its metadata.
_NOT_YET = "this version does not have it yet"


class _Block(Schema):
    class Meta:
        unknown = INCLUDE


def _block(schema: type[Schema], description: str) -> fields.Nested:
    """A block that may be left out, so that each of its keys has its default."""
    return fields.Nested(
        schema, load_default=lambda: schema().load({}), metadata={"description": description}
    )


class EncryptionSchema(_Block):
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


class LimitsSchema(_Block):
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


class ImagesSchema(_Block):
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


class RegistrySchema(_Block):
    """One entry of `docker_registries`."""

    registry = fields.String(required=True)
    username = Text(required=True)
    password = Text(required=True)


class ConnectionSchema(_Block):
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


class ImageRuleSchema(_Block):
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


class PoliciesSchema(_Block):
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


class NodeSchema(InstanceSchema):
    """The configuration of a node; unknown keys are kept."""

    api_key = Text(
        required=True, metadata={"description": "What the server gave out for this node."}
    )
    server_url = fields.URL(
        required=True,
        require_tld=False,
        schemes={"http", "https"},
        metadata={"description": "Scheme and name of the server."},
    )
    port = fields.Integer(
        required=True,
        allow_none=True,
        validate=validate.Range(1, 65535),
        metadata={"description": "Port of the server; empty for that of the scheme."},
    )
    api_path = fields.String(
        required=True, metadata={"description": "Where the API starts, such as `/api`."}
    )
    task_dir = fields.String(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "Folder for the files of tasks.",
            "default": "the data folder",
        },
    )
    databases = DatabasesField(
        required=True,
        metadata={
            "description": "A path or an address by label, or a list of `label`, `uri` and "
            "`type`; the label `default` is used where a task names none. Changes count from the "
            "next run on, without a restart."
        },
    )
    database_types = fields.Dict(
        keys=Text(),
        values=Text(allow_none=True),
        load_default=dict,
        metadata={
            "description": "What kind a database is, by label, such as `csv` or `sparql`; "
            "algorithms are told.",
            "default": "none",
        },
    )
    encryption = fields.Nested(
        EncryptionSchema, required=True, metadata={"description": "End-to-end encryption."}
    )
    algorithm_env = fields.Dict(
        keys=VariableName(),
        values=Text(),
        load_default=dict,
        metadata={
            "description": "Further variables of every algorithm; none that would change "
            "what programs it runs, such as PATH or LD_PRELOAD.",
            "default": "none",
        },
    )
    images = _block(ImagesSchema, "Images of the node itself.")
    docker_registries = fields.List(
        fields.Nested(RegistrySchema),
        load_default=list,
        metadata={
            "description": "Log-ins to private registries: `registry`, `username`, `password`."
        },
    )
    docker_services = fields.Dict(
        keys=AliasField(),
        values=ServiceField(allow_none=True),
        load_default=dict,
        allow_none=True,
        metadata={
            "description": "Containers of this machine that algorithms may reach: alias and "
            "exact name, `name:port,port` for other ports than the container exposes.",
            "default": "none",
        },
    )
    vpn_subnet = fields.String(
        allow_none=True,
        metadata={
            "description": "The subnet of the private network between algorithms.",
            "without_effect": "there are no private networks yet",
        },
    )

    allowed_images = fields.List(
        Pattern(),
        load_default=list,
        allow_none=True,
        metadata={
            "description": "Regular expressions, one of which has to match the whole name of an "
            "image, in its full or its short spelling. Empty: nothing runs.",
            "default": "none",
        },
    )
    allow_all_images = fields.Boolean(
        load_default=False,
        metadata={"description": "Run images that no entry of `allowed_images` names."},
    )
    allow_pickle = fields.Boolean(
        load_default=False, metadata={"description": "Take inputs that are pickles."}
    )
    required_signatures = fields.List(
        Text(),
        load_default=list,
        metadata={
            "description": "Files of public keys (PEM, ECDSA); an image runs only with a "
            "signature by one of them. A relative path is looked for in the data folder.",
            "default": "none",
        },
    )
    image_pull = fields.String(
        load_default="newer",
        validate=validate.OneOf(["newer", "missing", "never"]),
        metadata={
            "description": "When an image is fetched: whenever the registry has another one, "
            "when it is not here, or never.",
        },
    )
    allowed_destinations = fields.List(
        DestinationField(),
        load_default=list,
        metadata={
            "description": "Where algorithms may connect to besides their databases: "
            "`host:port`, `[address]:port` for IPv6.",
            "default": "none",
        },
    )
    policies = _block(PoliciesSchema, "Who may have what done here.")
    max_parallel_runs = fields.Integer(
        load_default=lambda: max(4, os.cpu_count() or 1),
        validate=validate.Range(min=1),
        metadata={
            "description": "Containers side by side.",
            "default": "the number of processors, at least 4",
        },
    )
    limits = _block(LimitsSchema, "What one container may use, and leave behind.")
    keep_free = Size(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "Room on the disk of the node below which no run begins; below half "
            "of it, the run that wrote the most is ended.",
            "default": "`1g`, on small disks a twentieth of it",
        },
    )
    algorithm_logs = fields.String(
        load_default="on_failure",
        validate=validate.OneOf(["on_failure", "always", "never"]),
        metadata={
            "description": "Which logs of algorithms leave the house; of failed runs only the "
            "last lines."
        },
    )
    connection = _block(ConnectionSchema, "How the server is reached from this house.")

    @pre_load
    def _list_of_databases(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return split_databases(data)

    @pre_load
    def _empty_port(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """The wizard of the classic line wrote ports as text, and none as an empty one."""
        return {**data, "port": None} if data.get("port") == "" else data
