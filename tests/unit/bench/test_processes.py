"""CPU and memory of a process as the kernel counts them."""

import os
import time

from tests.bench.processes import CpuMeter, peak_rss_mib, rss_mib


def test_cpu_seconds_grow_with_work_and_count_user_and_system_time() -> None:
    meter = CpuMeter({"self": os.getpid()})
    begun = time.process_time()
    while time.process_time() - begun < 0.2:
        sum(range(10_000))
    used = meter.used_s()["self"]
    assert 0.15 <= used <= time.process_time() - begun + 0.2


def test_memory_is_told_in_mebibytes_and_never_above_its_peak() -> None:
    before = rss_mib(os.getpid())
    ballast = bytearray(64 * 1024 * 1024)
    ballast[:: os.sysconf("SC_PAGE_SIZE")] = b"x" * len(range(0, len(ballast), os.sysconf("SC_PAGE_SIZE")))
    after = rss_mib(os.getpid())
    assert 50 <= after - before <= 80
    assert peak_rss_mib(os.getpid()) >= after - 1
