"""What processes cost, read from /proc: CPU seconds and resident memory."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_USER_TICKS, _CHILDREN_SYSTEM_TICKS = 11, 15
"""Fields of /proc/PID/stat after the name: user, system, and both of children that have ended."""


def cpu_s(pid: int) -> float:
    """CPU seconds of a process since its start, with those of its ended children."""
    fields = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[_USER_TICKS:_CHILDREN_SYSTEM_TICKS])) / _TICKS_PER_S


def rss_mib(pid: int) -> float:
    """Resident memory of a process now."""
    return _status_kib(pid, "VmRSS") / 1024


def peak_rss_mib(pid: int) -> float:
    """Largest resident memory of a process since its start."""
    return _status_kib(pid, "VmHWM") / 1024


def load() -> float:
    """How many processes wanted a core in the last minute, of everybody on this machine."""
    return os.getloadavg()[0]


def _status_kib(pid: int, name: str) -> int:
    for line in (Path("/proc") / str(pid) / "status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise ProcessLookupError(f"process {pid} has no {name}")


class CpuMeter:
    """CPU seconds of named processes since the meter was made."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._begun = {name: cpu_s(pid) for name, pid in pids.items()}

    def used_s(self) -> dict[str, float]:
        """CPU seconds by name."""
        return {name: cpu_s(pid) - self._begun[name] for name, pid in self._pids.items()}
