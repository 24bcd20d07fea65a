"""What ends a run before its time, at its place of the 4.x line."""

from vantage6.tools.exceptions import AlgorithmError, DeserializationException, InputError

__all__ = ["AlgorithmError", "DeserializationException", "InputError", "UserInputError"]

UserInputError = InputError
