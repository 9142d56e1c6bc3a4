"""B0, engine overhead: 50,000 null units beside the raw pipeline, in turn; and B4, the memory that this takes."""

from statistics import median
from typing import Final

from tests.bench.buckets import COLUMNS, BenchModule, accept, seed
from tests.bench.processes import peak_rss_mib
from tests.bench.product import ROLES, product_pass, start_engine
from tests.bench.rates import Pass, median_of
from tests.bench.raw_peer import raw_pass
from tests.bench.raw_pipeline import How
from tests.bench.results import Figure
from tests.bench.world import World

RAW: Final[tuple[How, ...]] = ("sent", "packed")
UNITS: Final = 50_000
CLIENTS: Final = UNITS // COLUMNS
WARM_UP_UNITS: Final = 5_000
LEAST_SHARE: Final = 0.2
MOST_CPU_S: Final = 0.5
MOST_MIB: Final = 200.0


async def measure(runs: int) -> list[Figure]:
    """Rates, CPU and memory; both pipelines in turn on the same servers, so that both see the same load."""
    passes: dict[str, list[Pass]] = {"sent": [], "packed": [], "ours": []}
    with World() as world, world.database() as database:
        await seed(database, CLIENTS, world.kek_file)
        start_engine(world)
        for run in range(-1, runs):  # the first one warms caches and compilers
            units = WARM_UP_UNITS if run < 0 else UNITS
            for how in RAW:
                passes[how].append(await raw_pass(world.servers, how, units, f"{how}{run}"))
            accepted = await accept(database, BenchModule.NULL, units // COLUMNS, f"null{run}")
            passes["ours"].append(await product_pass(world, database, accepted))
        memory = {name: peak_rss_mib(world.pids[name]) for name in ROLES}
    measured = {name: found[1:] for name, found in passes.items()}
    return [*_speed(measured["ours"], measured["sent"]), *_peers(measured), _memory(memory)]


def _speed(ours: list[Pass], peer: list[Pass]) -> list[Figure]:
    rate, cpu = median_of(ours, lambda run: run.rate_per_s), median_of(ours, lambda run: run.cpu_s_per_1000)
    share, cpu_share = rate_share(ours, peer), cpu / median_of(peer, lambda run: run.cpu_s_per_1000)
    how = f"median of {len(ours)} buckets of {UNITS:,} null units, accepted to completed; ratio to the raw pipeline"
    return [
        Figure("b0_rate", rate, "units/s", how, f"ratio >= {LEAST_SHARE}", share, share >= LEAST_SHARE),
        Figure("b0_cpu", cpu, "CPU s/1000 units", how, f"<= {MOST_CPU_S}", cpu_share, cpu <= MOST_CPU_S),
        *per_process("b0", ours),
    ]


def rate_share(ours: list[Pass], peer: list[Pass]) -> float:
    """Median over the runs of the product's rate by that of its peer just before."""
    return median(own.rate_per_s / other.rate_per_s for own, other in zip(ours, peer, strict=True))


def _peers(measured: dict[str, list[Pass]]) -> list[Figure]:
    figures: list[Figure] = []
    for how in RAW:
        runs, about = measured[how], f"the raw pipeline, records {how}, in turn with the product; ratio: product to it"
        rate, share = median_of(runs, lambda run: run.rate_per_s), rate_share(measured["ours"], runs)
        cpu = median_of(runs, lambda run: run.cpu_s_per_1000)
        figures.append(Figure(f"b0_raw_{how}_rate", rate, "units/s", about, ratio=share))
        figures.append(Figure(f"b0_raw_{how}_cpu", cpu, "CPU s/1000 units", "all processes and servers together"))
    return figures


def per_process(prefix: str, runs: list[Pass]) -> list[Figure]:
    """Where the CPU goes."""
    how = "median CPU of this process per unit"
    return [
        Figure(f"{prefix}_cpu_{name}", median(run.us_per_unit(name) for run in runs), "us/unit", how)
        for name in runs[0].cpu_s
    ]


def _memory(memory: dict[str, float]) -> Figure:
    largest = max(memory.values())
    each = ", ".join(f"{name} {mib:.0f}" for name, mib in memory.items())
    how = f"largest peak of a process after the buckets of B0 ({each} MiB); ratio to the limit"
    return Figure("b4_memory", largest, "MiB", how, f"<= {MOST_MIB:.0f}", largest / MOST_MIB, largest <= MOST_MIB)
