"""The configuration of a node: the documented keys, and ours."""

import os
from typing import Any

from marshmallow import fields, pre_load, validate

from vantage6.common.config import InstanceSchema
from vantage6.node.configuration_blocks import (
    ConnectionSchema,
    EncryptionSchema,
    ImagesSchema,
    LimitsSchema,
    PoliciesSchema,
    RegistrySchema,
    block,
)
from vantage6.node.configuration_disclosure import DisclosureSchema
from vantage6.node.configuration_fields import (
    AliasField,
    DatabasesField,
    DestinationField,
    Pattern,
    ServiceField,
    Size,
    Text,
    VariableName,
    split_databases,
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
            "what programs it runs, such as PATH or LD_PRELOAD, and none of `disclosure`.",
            "default": "none",
        },
    )
    images = block(ImagesSchema, "Images of the node itself.")
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
        load_default=False,
        metadata={"description": "Take inputs that are pickles, or in R's own format."},
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
    policies = block(PoliciesSchema, "Who may have what done here.")
    disclosure = block(DisclosureSchema, "What algorithms that heed it may tell about few people.")
    max_parallel_runs = fields.Integer(
        load_default=lambda: max(4, os.cpu_count() or 1),
        validate=validate.Range(min=1),
        metadata={
            "description": "Containers side by side; of subtasks, for which other containers "
            "wait, as many more.",
            "default": "the number of processors, at least 4",
        },
    )
    limits = block(LimitsSchema, "What one container may use, and leave behind.")
    keep_free = Size(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "Room on the disk of the node below which no run begins; below half "
            "of it, the run that wrote the most is ended.",
            "default": "`1g`, on small disks a twentieth of it",
        },
    )
    largest_answer = Size(
        load_default=4 * 2**30,
        validate=validate.Range(min=1),
        metadata={
            "description": "Bytes of large results of subtasks that an algorithm gets in one "
            "answer; they are on the disk of the node on their way.",
            "default": "`4g`",
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
    connection = block(ConnectionSchema, "How the server is reached from this house.")

    @pre_load
    def _list_of_databases(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return split_databases(data)

    @pre_load
    def _empty_port(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """The wizard of the classic line wrote ports as text, and none as an empty one."""
        return {**data, "port": None} if data.get("port") == "" else data
