"""Found by every interpreter with this folder in its path: sleeps that libfaketime lets through.

Its `clock_nanosleep` refuses each sleep of Python, which are until a moment of the monotonic clock.
"""

import select
import time
from typing import SupportsIndex


def _sleep(seconds: float | SupportsIndex, /) -> None:
    select.select((), (), (), float(seconds))


time.sleep = _sleep
