"""A few faults of `make chaos`, for every run of the tests: those that only real sockets, disks and logs can show."""

from pathlib import Path

import pytest

from tests.chaos import mongo, network
from tests.chaos.ledger import Ledger
from tests.chaos.scene import Family, Fault, play

pytestmark = pytest.mark.timeout(600)
BAD_S = 6.0


@pytest.fixture(autouse=True)
def nothing_is_broken() -> None:
    """Each family has a stack of its own and is judged by itself."""


def _played(family: Family, faults: tuple[Fault, ...], folder: Path) -> Ledger:
    ledger = Ledger()
    chosen = Family(family.name, faults, family.scene, family.verdicts, family.at_end, strict_calls=family.strict_calls)
    play(chosen, folder, ledger, print)
    return ledger


def test_nothing_is_lost_when_a_replica_set_fails_over_and_rolls_back(tmp_path: Path) -> None:
    faults = (Fault("primary killed", 1, mongo.kill_primary), Fault("roll-back", 1, mongo.double_kill, mongo.REPEATS))

    ledger = _played(mongo.FAMILY, faults, tmp_path)

    assert ledger.failures(guards=(), may_skip=False) == []


def test_nothing_is_lost_when_the_network_to_each_server_is_bad(tmp_path: Path) -> None:
    faults = tuple(
        Fault(f"{server} half open", 1, network.briefly(server, BAD_S), network.REPEATS) for server in network.SERVERS
    )

    ledger = _played(network.FAMILY, faults, tmp_path)

    assert ledger.failures(guards=(), may_skip=False) == []
