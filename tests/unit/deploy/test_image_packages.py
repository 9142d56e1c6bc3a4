"""Each image holds a subset of the dependencies: everything in it can be imported with that subset alone."""

import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest

from tests.unit.local.test_requirement_files import ROOT, pins

LOCAL = {
    "bucket-api": ("bucket_api", "sync_runtime", "sync_contracts"),
    "sync-worker": ("sync_worker", "sync_runtime", "sync_contracts"),
    "status-aggregator": ("status_aggregator", "sync_runtime", "sync_contracts"),
    "sandbox": ("portal_sandbox",),
}
IMPORT_ALL = """
import importlib, importlib.abc, pkgutil, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{name} is not in this image", name=name)

sys.meta_path.insert(0, Absent())
for root in ROOTS:
    package = importlib.import_module(root)
    for found in pkgutil.walk_packages(package.__path__, f"{root}."):
        importlib.import_module(found.name)
"""


def not_in(image: str, *, without: str = "") -> set[str]:
    """Top-level modules of this environment that the image does not have. `without`: a distribution left out too."""
    kept = set(pins(ROOT / "requirements" / f"{image}.txt")) - {without}
    return {
        module
        for module, distributions in packages_distributions().items()
        if module not in LOCAL[image] and not kept & {name.lower().replace("_", "-") for name in distributions}
    }


def import_all(image: str, blocked: set[str]) -> "subprocess.CompletedProcess[str]":
    """Import every module of the image's local packages while others cannot be found."""
    program = f"BLOCKED = {sorted(blocked)!r}\nROOTS = {LOCAL[image]!r}\n{IMPORT_ALL}"
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=100, check=False
    )


@pytest.mark.parametrize("image", LOCAL)
def test_every_module_of_an_image_finds_what_it_imports(image: str) -> None:
    done = import_all(image, not_in(image))

    assert done.returncode == 0, done.stderr[-2000:]


def test_a_dependency_that_is_left_out_is_noticed() -> None:
    done = import_all("status-aggregator", not_in("status-aggregator", without="motor"))

    assert done.returncode != 0
    assert "motor" in done.stderr
