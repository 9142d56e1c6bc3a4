"""How large a run is and what may happen in it, drawn from the seed. Every number here is an assumption about bad days.

Four kinds of runs: quiet ones without faults, wide ones with many units, narrow ones in which few units meet many
faults, slow answers and impatient users at once: most rare interleavings need no more than two pages. Forked ones are
narrow, and the primary is lost again and again just when somebody has acted on what only it had.
"""

import random
from typing import Any, Final, Literal

from msgspec import Struct
from sync_contracts.outcomes import OutcomeClass
from sync_contracts.units import Limits

from tests.simulation.loop import EPOCH_S
from tests.simulation.portal import FAULTY, Moods
from tests.simulation.roles import MODULES, Timing
from tests.support.planted import Plan

PATIENT: Final = Timing(Limits(dispatched_ms=10**12, running_ms=10**12, cancelling_ms=10**12), 10**12, 40.0)
"""No deadline and no expiry can help: what ends, ends without them (L3)."""
HASTY: Final = Timing(Limits(max_failures=4, dispatched_ms=20_000, running_ms=6_000, cancelling_ms=3_000), 15_000, 40.0)
"""Deadlines fire while workers are still at it."""
HARSH: Final = Moods(
    {
        OutcomeClass.OTP_REQUIRED: 0.7,
        OutcomeClass.TRANSIENT: 0.05,
        OutcomeClass.RATE_LIMITED: 0.03,
        OutcomeClass.WAITING_PORTAL: 0.03,
        OutcomeClass.EMPTY: 0.02,
    },
    mismatch=0.02,
    slow=0.2,
    slow_s=25.0,
)
"""Most units fail, so that users retry again and again."""
OPEN: Final = Moods({OutcomeClass.TRANSIENT: 0.1, OutcomeClass.OTP_REQUIRED: 0.15}, slow=0.2, slow_s=8.0, changes=0.9)
"""Most calls bring data, and it is nearly always other data than before."""
BORN_MS: Final = int(EPOCH_S * 1000)
SOON_MS: Final = 12_000
"""A bucket whose deadline passes in the midst of the faults."""
ROLES: Final = ("dispatcher", "aggregator", "worker")

Kind = Literal["quiet", "wide", "narrow", "forked"]


class Pace(Struct, frozen=True):
    """Mean seconds between faults and between wishes, chances of the network, how long all of it goes on."""

    fault_every_s: float
    wish_every_s: float
    lost: tuple[float, ...]
    slow: tuple[float, ...]
    late: tuple[float, ...]
    lasts_s: float


WIDE: Final = Pace(1.2, 4.0, (0.0, 0.01, 0.04), (0.0, 0.01, 0.04), (0.0, 0.01, 0.04), 40.0)
NARROW: Final = Pace(0.6, 0.5, (0.0, 0.01), (0.05, 0.15, 0.3), (0.0, 0.02), 45.0)


class Shape(Struct, frozen=True):
    """One seed's run."""

    kind: Kind
    plans: tuple[Plan, ...]
    timing: Timing
    pace: Pace
    moods: Moods
    lossy: bool
    actions: bool
    force: bool
    processes: dict[str, int]

    @property
    def n_units(self) -> int:
        """Units of all buckets."""
        return sum(plan.n_units for plan in self.plans)


def shape_of(seed: int) -> Shape:
    """One run in ten is quiet; of the others a third loses records, a quarter has early deadlines, half have users."""
    rng = random.Random(f"shape {seed}")
    kind: Kind = rng.choices(("quiet", "wide", "narrow", "forked"), (2, 7, 8, 3))[0]
    narrow = kind in ("narrow", "forked")
    soon = kind != "quiet" and random.Random(f"deadline {seed}").random() < 0.25
    lossy = kind != "quiet" and rng.random() < 0.34
    timing = HASTY if lossy or (kind != "quiet" and rng.random() < 0.5) else PATIENT
    return Shape(
        kind=kind,
        plans=tuple(
            _plan(rng, number, narrow=narrow, soon=soon)
            for number in range(rng.choice((1, 1, 2) if narrow else (1, 2, 3)))
        ),
        timing=timing,
        pace=NARROW if narrow else WIDE,
        moods=Moods() if kind == "quiet" else rng.choice((HARSH, OPEN)) if narrow else FAULTY,
        lossy=lossy,
        actions=rng.random() < (0.8 if narrow else 0.4),
        force=rng.random() < (0.9 if narrow else 0.6),
        processes={role: rng.choice((1, 2, 2, 3)) for role in ROLES}
        | ({"aggregator": 3, "worker": 3} if narrow else {}),
    )


def _plan(rng: random.Random, number: int, *, narrow: bool, soon: bool) -> Plan:
    columns = rng.choice((1, 2, 3))
    clients = rng.choice((1, 3, 6) if narrow else (3, 5, 8, 20, 40))
    tenant = rng.choice(("t_one", "t_one", "t_two"))
    names = [{"module": module, "period": "2026-10"} for module in MODULES[:columns]]
    changes: dict[str, Any] = {"columns": names, "deadline_at": BORN_MS + (SOON_MS if soon else 72 * 3_600_000)}
    size = rng.choice((1, 2, 4) if narrow else (2, 3, 7))
    return Plan(f"b_{number}", tenant, clients, columns, size, changes=changes, client_prefix=f"c_{tenant}_")
