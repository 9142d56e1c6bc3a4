"""One question to a Kafka broker in its own protocol: do you know yourself? No client library, no event loop."""

import socket
import struct

_METADATA, _VERSION, _CORRELATION = 3, 4, 7
_CLIENT = b"health"
# Request header v1, then: no topics, no auto-creation. The answer starts with correlation id, throttle time, brokers.
_BODY = struct.pack(">hhih", _METADATA, _VERSION, _CORRELATION, len(_CLIENT)) + _CLIENT + struct.pack(">i?", 0, False)
_REQUEST = struct.pack(">i", len(_BODY)) + _BODY
_ANSWER_START = struct.Struct(">iiii")


def broker_answers(host: str, port: int, timeout_s: float = 1.0) -> bool:
    """True when the broker is registered: its metadata names at least one broker."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as connection:
            connection.settimeout(timeout_s)
            connection.sendall(_REQUEST)
            start = connection.recv(_ANSWER_START.size, socket.MSG_WAITALL)
    except OSError:
        return False
    if len(start) < _ANSWER_START.size:
        return False
    _, correlation, _, brokers = _ANSWER_START.unpack(start)
    return bool(correlation == _CORRELATION and brokers > 0)
