"""Two aggregators, each old or new, among repeated, lost and late events and users who change their mind."""

import pytest

from tests.support.simulated_bucket import SimulatedBucket

STEPS = 120
SEEDS_OF_A_TEST = 100


@pytest.mark.parametrize("first_seed", range(0, 1_000, SEEDS_OF_A_TEST))
async def test_whatever_happens_every_round_ends_and_every_promise_holds(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + SEEDS_OF_A_TEST):
        simulated = SimulatedBucket(seed)
        for _ in range(STEPS):
            await simulated.step()
        await simulated.settle()

        assert simulated.bucket["status"] != "RUNNING", f"seed {seed}"
        assert simulated.broken_promises() == [], f"seed {seed}"


async def test_the_faults_that_the_guards_are_for_do_happen() -> None:
    seen = {"conflicts": 0, "absorbed": 0, "reloads": 0, "retried": 0, "cancelled": 0}
    for seed in range(60):
        simulated = SimulatedBucket(seed)
        for _ in range(STEPS):
            await simulated.step()
        for _, applied in simulated.world.seen.fates:
            seen["conflicts"] += applied.conflicts
            seen["absorbed"] += applied.absorbed
            seen["reloads"] += applied.reloads
        seen["retried"] += len(simulated.selected)
        seen["cancelled"] += simulated.bucket["control"] == "CANCEL"

    assert all(seen.values()), seen
