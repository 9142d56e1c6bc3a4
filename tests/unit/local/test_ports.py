"""Ports that are given out are claimed until the process ends that asked for them."""

import os
import subprocess
import sys

import pytest
from local_stack import ports
from local_stack.ports import NoFreePort, free_ports

ASK = """
import sys
from local_stack import ports
ports.LOWEST, ports.HIGHEST, ports._ATTEMPTS = int(sys.argv[1]), int(sys.argv[1]) + 2, 2
print(ports.free_ports(2), flush=True)
sys.stdin.read()
"""


def only(monkeypatch: pytest.MonkeyPatch, lowest: int, count: int) -> None:
    """No other ports are there than these."""
    monkeypatch.setattr(ports, "LOWEST", lowest)
    monkeypatch.setattr(ports, "HIGHEST", lowest + count)
    monkeypatch.setattr(ports, "_ATTEMPTS", count)


def test_no_port_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    only(monkeypatch, port, 1)
    with pytest.raises(NoFreePort):
        free_ports(1)


def test_ports_of_another_process_are_given_when_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    lowest = ports.HIGHEST + 2 * (os.getpid() % 300)  # where nobody else is given any
    only(monkeypatch, lowest, 2)
    command = [sys.executable, "-c", ASK, str(lowest)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline()
        with pytest.raises(NoFreePort):
            free_ports(1)
        other.communicate()
    assert sorted(free_ports(2)) == [lowest, lowest + 1]
