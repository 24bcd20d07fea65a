"""The configuration of a node: the documented keys, and ours."""

import os
import re
from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError, fields, pre_load, validate

from vantage6.common.config import InstanceSchema
from vantage6.node.globals import RELAY_IMAGE

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
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


class Text(fields.String):
    """A text; numbers are taken as the text they are written as."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        text: str = super()._deserialize(value, attr, data, **kwargs)
        return text


class _Block(Schema):
    class Meta:
        unknown = INCLUDE


class EncryptionSchema(_Block):
    """The `encryption` block."""

    enabled = fields.Boolean(required=True, truthy={True}, falsy={False})
    private_key = fields.String(load_default="", allow_none=True)


class LimitsSchema(_Block):
    """The `limits` block: what one container may use, and leave behind."""

    memory = Size(load_default=4 * 2**30, validate=validate.Range(min=_SMALLEST_MEMORY))
    cpus = fields.Float(
        load_default=lambda: float(os.cpu_count() or 1),
        validate=validate.Range(min=0, min_inclusive=False),
    )
    pids = fields.Integer(load_default=512, validate=validate.Range(min=1))
    output = Size(load_default=2**30, validate=validate.Range(min=1))


class ImagesSchema(_Block):
    """The `images` block."""

    relay = fields.String(load_default=RELAY_IMAGE)


class RegistrySchema(_Block):
    """One entry of `docker_registries`."""

    registry = fields.String(required=True)
    username = Text(required=True)
    password = Text(required=True)


class NodeSchema(InstanceSchema):
    """The configuration of a node; unknown keys are kept."""

    api_key = Text(required=True)
    server_url = fields.URL(required=True, require_tld=False, schemes={"http", "https"})
    port = fields.Integer(required=True, allow_none=True, validate=validate.Range(1, 65535))
    api_path = fields.String(required=True)
    task_dir = fields.String(load_default=None, allow_none=True)
    databases = fields.Dict(keys=Text(), values=Text(), required=True)
    encryption = fields.Nested(EncryptionSchema, required=True)
    algorithm_env = fields.Dict(keys=fields.String(), values=Text(), load_default=dict)
    images = fields.Nested(ImagesSchema, load_default=lambda: ImagesSchema().load({}))
    docker_registries = fields.List(fields.Nested(RegistrySchema), load_default=list)

    allowed_images = fields.List(Pattern(), load_default=list, allow_none=True)
    allow_all_images = fields.Boolean(load_default=False)
    allow_pickle = fields.Boolean(load_default=False)
    max_parallel_runs = fields.Integer(
        load_default=lambda: max(4, os.cpu_count() or 1), validate=validate.Range(min=1)
    )
    limits = fields.Nested(LimitsSchema, load_default=lambda: LimitsSchema().load({}))
    algorithm_logs = fields.String(
        load_default="on_failure", validate=validate.OneOf(["on_failure", "always", "never"])
    )

    @pre_load
    def _empty_port(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """The wizard of the classic line wrote ports as text, and none as an empty one."""
        return {**data, "port": None} if data.get("port") == "" else data


# Documented keys that this version reads but does not act upon; a start says so.
NOT_YET = ("vpn_subnet", "docker_services")
