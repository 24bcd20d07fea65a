"""What ends a run before its time, and the exit code of the container by which it is told apart.

::

    Vantage6Error
    ├── AlgorithmError              the run ends here, with one sentence for its log
    │   ├── FunctionFailed       1  the function of the algorithm raised an error
    │   ├── InputError           3  the input cannot be used
    │   ├── DatabaseError        4  the database cannot be read
    │   ├── MethodNotFound       5  the algorithm has no such function
    │   ├── OutputError          6  the answer cannot be written in the format asked for
    │   └── DisclosureRefused    7  the answer would tell about too few people
    └── DeserializationException    bytes that are not what they should be

The texts reach the researcher as the log of the run, so they hold no data. 1 is also what Python
says of any other error, and 2 what it says of a command that it does not understand.
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
    """The run ends here; the text is one sentence without data.

    Attributes
    ----------
    exit_code : int
        With which the container ends.
    """

    exit_code = 1


class InputError(AlgorithmError, ValueError):
    """The input cannot be used, or asks for what there is not; a ValueError too."""

    exit_code = 3


class DatabaseError(AlgorithmError):
    """The database cannot be read."""

    exit_code = 4


class DisclosureRefused(AlgorithmError):
    """The answer would tell about too few people; the text names the rule of the data owner."""

    exit_code = 7


class MethodNotFound(AlgorithmError):
    """The algorithm has no such function."""

    exit_code = 5


class FunctionFailed(AlgorithmError):
    """The function of the algorithm raised an error.

    Parameters
    ----------
    text : str
    error : Exception, optional
        What it raised; one of ours keeps its exit code.
    """

    def __init__(self, text: str, error: Exception | None = None) -> None:
        super().__init__(text)
        self.exit_code = error.exit_code if isinstance(error, AlgorithmError) else 1


class OutputError(AlgorithmError):
    """The answer cannot be written in the format asked for."""

    exit_code = 6
