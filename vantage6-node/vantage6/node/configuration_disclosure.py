"""The `disclosure` block of the configuration, made from the thresholds that containers get."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import RAISE, Schema, fields, validate

from vantage6.common.disclosure import Thresholds

_KINDS: Mapping[type, Callable[..., fields.Field[Any]]] = {
    # Nothing but true and false, and no number in the place of another kind of number.
    bool: lambda **more: fields.Boolean(truthy={True}, falsy={False}, **more),
    int: lambda **more: fields.Integer(strict=True, **more),
    float: fields.Float,
}


class _Strict(Schema):
    """A block in which a key that is not known is refused, and not just named in the log.

    Whoever mistypes a threshold would believe that it holds.
    """

    class Meta:
        unknown = RAISE

    error_messages: dict[str, str] = {
        "unknown": "There is no such threshold; there are "
        + ", ".join(threshold.name for threshold in dataclasses.fields(Thresholds)),
        "type": "Thresholds are written as a block, each with its name",
    }


def _field(threshold: "dataclasses.Field[Any]") -> fields.Field[Any]:
    least, most = threshold.metadata["least"], threshold.metadata["most"]
    kind = type(threshold.default)
    range_ = validate.Range(min=least, max=None if math.isinf(most) else most)
    return _KINDS[kind](
        load_default=threshold.default,
        validate=[] if kind is bool else [range_],
        metadata={"description": threshold.metadata["description"]},
    )


DisclosureSchema = _Strict.from_dict(
    {threshold.name: _field(threshold) for threshold in dataclasses.fields(Thresholds)},
    name="DisclosureSchema",
)


def own_thresholds(loaded: Mapping[str, Any]) -> dict[str, Any]:
    """The thresholds in a block that may leave out any of them.

    Raises
    ------
    ValidationError
        When a key is not known, or its value is beyond what it can be.
    """
    told: dict[str, Any] = DisclosureSchema(partial=True).load(loaded)
    return told
