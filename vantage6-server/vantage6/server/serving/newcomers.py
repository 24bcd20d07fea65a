"""How a listener stops without losing anybody: newcomers are kept off before it is closed.

Whoever has connected and is not accepted yet would be cut off when a listener closes, perhaps with
a request under way that must not be sent twice. So the kernel drops what begins a connection, and
nothing else; those that were begun are accepted, and then nobody is left when it closes. Whoever
came meanwhile tries again by itself a second later, and is refused: it goes elsewhere.
"""

import ctypes
import socket
import struct
import sys

# Of the interface of the kernel, which Python has no names for.
_SO_ATTACH_FILTER = 26
_LOAD_BYTE, _JUMP_IF_SET, _RETURN = 0x30, 0x45, 0x06
_FLAGS_OF_TCP, _SYN = 13, 0x02
_DROP, _KEEP = 0, 0x40000
#: A handshake that has begun, and the request that follows it, take no longer among neighbours.
HANDSHAKE_SECONDS = 0.3

_PROGRAM = (
    (_LOAD_BYTE, 0, 0, _FLAGS_OF_TCP),
    (_JUMP_IF_SET, 0, 1, _SYN),
    (_RETURN, 0, 0, _DROP),
    (_RETURN, 0, 0, _KEEP),
)


def keep_off(listener: socket.socket) -> bool:
    """Let nobody else connect to a listener; those who have are still to be accepted.

    Returns
    -------
    bool
        False where the system cannot do that.
    """
    if sys.platform != "linux" or listener.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    program = b"".join(struct.pack("HBBI", *step) for step in _PROGRAM)
    kept = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HP", len(_PROGRAM), ctypes.addressof(kept))
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)
    except OSError:
        # A sandbox may forbid it. Then a few may be cut off, as everywhere else.
        return False
    return True
