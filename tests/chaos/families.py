"""Every family of faults, and how they are played: each in a process of its own, some of them side by side."""

import logging
import tempfile
import time
import traceback
from collections.abc import Mapping
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from tests.chaos import (
    clocks,
    gone,
    kafka,
    kills,
    large,
    limits,
    lost,
    mongo,
    network,
    owners,
    pauses,
    poison,
    replay,
    versions,
    wishes,
)
from tests.chaos.ledger import Ledger
from tests.chaos.scene import Family, play

MODULES: Final = (
    large,
    network,
    kills,
    pauses,
    poison,
    wishes,
    versions,
    clocks,
    replay,
    gone,
    owners,
    mongo,
    lost,
    limits,
    kafka,
)
"""The longest first, so that none of them is left alone at the end."""
AT_ONCE: Final = 2
"""A family mostly waits: for the portal, for groups, for elections."""
FAMILIES: Final[Mapping[str, Family]] = {module.FAMILY.name: module.FAMILY for module in MODULES}


def all_played(names: list[str], share: float, at_once: int) -> Ledger:
    """Every family in a process of its own, some of them side by side; a process that dies is a violation."""
    ledger, began = Ledger(), time.monotonic()
    with ProcessPoolExecutor(at_once, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        playing = {name: pool.submit(_played, name, share) for name in names}
        for name, played in playing.items():
            try:
                ledger.add(played.result())
            except BrokenExecutor as error:
                ledger.violations.append(f"{name}: its process has died: {error}")
    ledger.notes.append(f"{len(names)} families, {at_once} at once, in {(time.monotonic() - began) / 60:.0f} minutes")
    return ledger


def _played(name: str, share: float) -> Ledger:
    """One family; what breaks in it is a violation, and the others still have their turn."""
    ledger, began = Ledger(), time.monotonic()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # of this process: offsets are set back by trying
    with tempfile.TemporaryDirectory(prefix="sb-chaos-", ignore_cleanup_errors=True) as folder:
        try:
            play(FAMILIES[name], Path(folder), ledger, partial(_say, name), share)
        except Exception as error:  # noqa: BLE001 - told in the table, with all that came before
            _say(name, traceback.format_exc())
            ledger.violations.append(f"{name}: stopped by {type(error).__name__}: {str(error)[:300]}")
    _say(name, f"{len(ledger.violations)} violations, {time.monotonic() - began:.0f} s")
    return ledger


def _say(name: str, text: str) -> None:
    print(f"{name}: {text.strip()}", flush=True)
