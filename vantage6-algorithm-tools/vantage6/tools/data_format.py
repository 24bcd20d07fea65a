"""The formats that inputs and answers can have."""

from enum import Enum


class DataFormat(Enum):
    """A format, by the name that stands in front of payloads."""

    JSON = "json"
    PICKLE = "pickle"
