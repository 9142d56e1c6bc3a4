"""What benchmarks report: figures with their targets, as a table and as a file."""

import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local_stack.tools import checkout
from msgspec import Struct, to_builtins
from rich.console import Console
from rich.table import Table


class Figure(Struct, frozen=True):
    """One measured value. `ratio`: against the peer or limit named in `how`; `met`: None for what has no target."""

    name: str
    value: float
    unit: str
    how: str
    target: str = ""
    ratio: float | None = None
    met: bool | None = None


def show(figures: Sequence[Figure], console: Console) -> None:
    """Print one table."""
    table = Table("figure", "value", "unit", "ratio", "target", "met", title="Benchmarks")
    for figure in figures:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        met = {None: "", True: "yes", False: "no"}[figure.met]
        table.add_row(figure.name, _shown(figure.value), figure.unit, ratio, figure.target, met)
    console.print(table)


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"


def results_file() -> Path:
    """Where the newest value of each figure is kept."""
    return checkout() / ".local" / "bench" / "results.json"


def save(figures: Sequence[Figure], load: float, path: Path) -> None:
    """Write the figures; those of other benchmarks stay as they were measured last."""
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    at = datetime.now(UTC).isoformat(timespec="seconds")
    where = {"at": at, "load": round(load, 2), "machine": platform.machine(), "python": platform.python_version()}
    for figure in figures:
        kept[figure.name] = {**to_builtins(figure), **where}
        del kept[figure.name]["name"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n")
