"""The classic singleton metaclass; kept for scripts, nothing of ours uses it."""

from typing import Any, ClassVar


class Singleton(type):
    """Metaclass whose classes have one instance each."""

    _instances: ClassVar[dict[type, Any]] = {}

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls not in cls._instances:
            cls._instances[cls] = super().__call__(*args, **kwargs)
        return cls._instances[cls]
