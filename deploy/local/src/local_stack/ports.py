"""Free ports for servers of tests, below the range that the kernel hands to client sockets (32768 on Linux).

A port that was given out is claimed until this process ends, so that no test process side by side gets it as well
before its server listens, or while its server is down.
"""

import random
import socket
from collections.abc import Iterable
from contextlib import ExitStack

LOWEST, HIGHEST = 20_000, 32_000
_ATTEMPTS = 2_000
_claims: list[int] = []
"""File descriptors; the kernel closes them with the process, and programs that it starts do not get them."""


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
    """`count` different free ports that nobody else is given. Raises NoFreePort."""
    drawn = random.SystemRandom().sample(range(LOWEST, HIGHEST), _ATTEMPTS)
    found: list[int] = []
    for port in drawn:
        if _claimed([port], host):
            found.append(port)
        if len(found) == count:
            return found
    raise NoFreePort(f"{count} free ports wanted between {LOWEST} and {HIGHEST}, {len(found)} found")


def free_run(length: int, host: str = "127.0.0.1") -> int:
    """First of `length` consecutive free ports (numbered slots listen on base + slot). Raises NoFreePort."""
    for first in random.SystemRandom().sample(range(LOWEST, HIGHEST - length), _ATTEMPTS):
        if _claimed(range(first, first + length), host):
            return first
    raise NoFreePort(f"{length} consecutive free ports wanted between {LOWEST} and {HIGHEST}")


def _claimed(ports: Iterable[int], host: str) -> bool:
    """Claim all of these ports, or none because one is claimed or in use.

    A claim is a name in the kernel's abstract namespace: one socket can have it, until its process ends.
    """
    with ExitStack() as given_up:
        names = []
        for port in ports:
            name = given_up.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            if not (_named(name, f"\0sync-bucket-port-{port}") and is_free(port, host)):
                return False
            names.append(name)
        _claims.extend(name.detach() for name in names)
    return True


def _named(claim: socket.socket, name: str) -> bool:
    try:
        claim.bind(name)
    except OSError:
        return False
    return True
