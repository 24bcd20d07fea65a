"""What ends a run before its time.

::

    Vantage6Error
    ├── AlgorithmError              the run ends here, with one sentence for its log
    │   ├── InputError              the input cannot be used
    │   ├── DatabaseError           the database cannot be read
    │   ├── DisclosureRefused       the answer would tell about too few people
    │   ├── MethodNotFound          the algorithm has no such function
    │   ├── FunctionFailed          the function of the algorithm raised an error
    │   └── OutputError             the answer cannot be written in the format asked for
    └── DeserializationException    bytes that are not what they should be

The texts reach the researcher as the log of the run, so they hold no data.
"""

from vantage6.common.exceptions import DeserializationException, Vantage6Error

__all__ = [
    "AlgorithmError",
    "DatabaseError",
    "DeserializationException",
    "DisclosureRefused",
    "FunctionFailed",
    "InputError",
    "MethodNotFound",
    "OutputError",
]


class AlgorithmError(Vantage6Error):
    """The run ends here; the text is one sentence without data."""


class InputError(AlgorithmError):
    """The input cannot be used."""


class DatabaseError(AlgorithmError):
    """The database cannot be read."""


class DisclosureRefused(AlgorithmError):
    """The answer would tell about too few people; the text names the rule of the data owner."""


class MethodNotFound(AlgorithmError):
    """The algorithm has no such function."""


class FunctionFailed(AlgorithmError):
    """The function of the algorithm raised an error."""


class OutputError(AlgorithmError):
    """The answer cannot be written in the format asked for."""
