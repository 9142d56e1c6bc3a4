"""The machine gives less: disks full, few file descriptors, a bound on memory."""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from local_stack.servers import KAFKA, MONGOD
from local_stack.settings import StackSettings
from local_stack.tools import checkout

from tests.chaos.mongo import REPEATS
from tests.chaos.scene import Family, Fault, Scene, opened

FULL_S: Final = 20.0
DISK_MB: Final = {KAFKA: 256, MONGOD: 512}
"""mongod reserves 200 MB for its journal alone."""
FEW_DESCRIPTORS: Final = 256
FEW_S: Final = 20.0
MOST_MIB: Final = 256
SERVICES: Final = ("api", "dispatcher-0", "aggregator-0", "worker-0", "worker-1")


def disk_full(server: str, scene: Scene) -> None:
    """A server's disk has not a byte left for a while."""
    folder = scene.running.settings.data_dir / server
    ballast = folder / "ballast"
    _fill(ballast)
    try:
        scene.hold(FULL_S)
    finally:
        ballast.unlink()
    scene.running.stack.release(server)  # unless the supervisor has it running already


def few_descriptors(scene: Scene) -> None:
    """Every service may hold 256 file descriptors open, under a portal that answers slowly."""
    processes = [scene.running.stack.pid(name) for name in SERVICES]
    for process in processes:
        _, hard = resource.prlimit(process, resource.RLIMIT_NOFILE)
        resource.prlimit(process, resource.RLIMIT_NOFILE, (FEW_DESCRIPTORS, hard))
    with scene.running.sandbox.latency(p50_ms=1_500):
        scene.hold(FEW_S)
    most = max(len(list(Path(f"/proc/{process}/fd").glob("*"))) for process in processes)
    scene.counts["most file descriptors of a service"] = max(most, scene.counts["most file descriptors of a service"])


def memory_is_bounded(scene: Scene) -> None:
    """No service has ever held more than 256 MiB."""
    for name in SERVICES:
        peak = peak_mib(scene.running.stack.pid(name))
        scene.counts["most MiB of a service"] = max(peak, scene.counts["most MiB of a service"])
        if peak > MOST_MIB:
            scene.violations.append(f"{name} has held {peak} MiB")


def peak_mib(process: int) -> int:
    """Most memory that a process has held."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def no_mount() -> str:
    """Why no small disk can be mounted here; empty: one can."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return "needs root and mount"
    place = checkout() / ".local" / "mount-probe"
    place.mkdir(parents=True, exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=False).returncode:
        return "mounting is not permitted"
    subprocess.run(["umount", place], check=True, capture_output=True, timeout=20)
    return ""


def _fill(ballast: Path) -> None:
    """Write until the disk is full."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 20))
        except OSError:
            return


@contextmanager
def _small_disks(folder: Path) -> Iterator[Scene]:
    """The product over servers on disks of a fixed size; on ordinary ones where nothing can be mounted."""
    settings = StackSettings.on_free_ports(folder)
    mounted: list[Path] = []
    try:
        for server, size in {} if no_mount() else DISK_MB.items():
            place = settings.data_dir / server
            place.mkdir(parents=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", place], check=True, timeout=20)
            mounted.append(place)
        with opened(settings) as scene:
            yield scene
    finally:
        for place in mounted:
            subprocess.run(["umount", "-l", place], check=True, timeout=20)


FAMILY: Final = Family(
    "limits",
    (
        Fault("disk of kafka full", 1, partial(disk_full, KAFKA), REPEATS, missing=no_mount),
        Fault("disk of mongod full", 1, partial(disk_full, MONGOD), REPEATS, missing=no_mount),
        Fault("256 file descriptors", 1, few_descriptors),
    ),
    _small_disks,
    verdicts=frozenset({"complete", "complete_with_gaps"}),
    at_end=memory_is_bounded,
)
