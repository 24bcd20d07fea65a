"""Which function of an algorithm an input may call, and what that function looks at.

Whoever may ask for a run names the function, so the name alone decides nothing. Federated
functions carry the prefix `RPC_`. Central ones carry none, so only functions that the algorithm
defines itself, or lists in `__all__`, are called: no class, no module, no helper that it imports.
"""

from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, NamedTuple, cast

from vantage6.tools.exceptions import MethodNotFound

FEDERATED_PREFIX = "RPC_"
#: Decorators of the 4.x line put `Wishes` there on functions that are called by plain names.
DECORATED = "__vantage6_wishes__"

# A function that calls one of these can reach its arguments without naming them.
_SEES_EVERYTHING = {"locals", "vars", "dir", "eval", "exec"}


class Wishes(NamedTuple):
    """What a decorated function wants to be handed, by the names `mock_client`, `mock_data`."""

    client: bool = False
    data: bool = False


def find_function(algorithm: Any, method: str, *, central: bool) -> tuple[str, Callable[..., Any]]:
    """The function for a method, and its name.

    Parameters
    ----------
    algorithm : module
    method : str
        As the input names it.
    central : bool
        Whether the input says `master`.

    Raises
    ------
    MethodNotFound
        When there is none, or it is not the algorithm's.
    """
    plain = _attribute(algorithm, method)
    if isinstance(getattr(plain, DECORATED, None), Wishes):
        return method, cast(Callable[..., Any], plain)
    name = method if central else FEDERATED_PREFIX + method
    function = plain if central else _attribute(algorithm, name)
    if not callable(function) or isinstance(function, type):
        raise MethodNotFound(
            f"The algorithm {algorithm.__name__} has no function {name:.80}; "
            f"its federated functions are {_names(algorithm)}"
        )
    if central and not _is_own(algorithm, name, function):
        raise MethodNotFound(
            f"{name} is not a function of the algorithm {algorithm.__name__}, which only imports "
            "it; where it is meant to be called, __all__ of the package has to name it"
        )
    return name, cast(Callable[..., Any], function)


def uses_argument(function: Callable[..., Any], position: int) -> bool:
    """Whether a function may look at one of its positional arguments.

    False only where the function's own instructions never mention the argument; anything
    that is not a plain function is taken to use it.
    """
    if not isinstance(function, FunctionType):
        return True
    code = function.__code__
    if position >= code.co_argcount or _SEES_EVERYTHING & set(code.co_names):
        return True
    return _mentions(code, code.co_varnames[position])


def _attribute(algorithm: Any, name: str) -> Any:
    return None if name.startswith("_") else getattr(algorithm, name, None)


def _is_own(algorithm: Any, name: str, function: Any) -> bool:
    home = str(getattr(function, "__module__", None) or "").partition(".")[0]
    is_defined_here = home == algorithm.__name__.partition(".")[0]
    return is_defined_here or name in getattr(algorithm, "__all__", ())


def _names(algorithm: Any) -> str:
    names = [name for name in vars(algorithm) if name.startswith(FEDERATED_PREFIX)]
    return ", ".join(sorted(names)) or "none"


def _mentions(code: CodeType, variable: str) -> bool:
    import dis

    # One instruction of newer interpreters can load two variables at once.
    return variable in code.co_cellvars or any(
        variable == instruction.argval
        or (isinstance(instruction.argval, tuple) and variable in instruction.argval)
        for instruction in dis.get_instructions(code)
    )
