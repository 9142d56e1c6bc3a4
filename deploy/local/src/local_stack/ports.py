"""Free ports for servers of tests, below the range that the kernel hands to client sockets (32768 on Linux)."""

import random
import socket

LOWEST, HIGHEST = 20_000, 32_000
_ATTEMPTS = 2_000


class NoFreePort(Exception):
    """No free port between 20000 and 32000."""


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Can a server listen on this port now?"""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """`count` different free ports, drawn at random so that sessions side by side seldom meet. Raises NoFreePort."""
    drawn = random.SystemRandom().sample(range(LOWEST, HIGHEST), _ATTEMPTS)
    found = []
    for port in drawn:
        if is_free(port, host):
            found.append(port)
        if len(found) == count:
            return found
    raise NoFreePort(f"{count} free ports wanted between {LOWEST} and {HIGHEST}, {len(found)} found")


def free_run(length: int, host: str = "127.0.0.1") -> int:
    """First of `length` consecutive free ports (numbered slots listen on base + slot). Raises NoFreePort."""
    for first in random.SystemRandom().sample(range(LOWEST, HIGHEST - length), _ATTEMPTS):
        if all(is_free(first + offset, host) for offset in range(length)):
            return first
    raise NoFreePort(f"{length} consecutive free ports wanted between {LOWEST} and {HIGHEST}")
