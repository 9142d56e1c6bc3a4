"""The file that keeps the newest value of each figure, and the table."""

import json
from io import StringIO
from pathlib import Path

from rich.console import Console

from tests.bench.results import Figure, save, show

RATE = Figure("b0_rate", 5_000.0, "units/s", "how it was measured", ">= 1", 0.3, met=True)
MEMORY = Figure("b4_memory", 120.0, "MiB", "how it was measured")


def test_a_figure_is_kept_with_unit_ratio_target_and_how(tmp_path: Path) -> None:
    save([RATE], 1.5, tmp_path / "bench" / "results.json")

    kept = json.loads((tmp_path / "bench" / "results.json").read_text())["b0_rate"]
    assert {name: kept[name] for name in ("value", "unit", "ratio", "target", "met", "how", "load")} == {
        "value": 5_000.0,
        "unit": "units/s",
        "ratio": 0.3,
        "target": ">= 1",
        "met": True,
        "how": "how it was measured",
        "load": 1.5,
    }


def test_figures_of_other_benchmarks_stay_as_they_were_measured(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    save([RATE, MEMORY], 1.0, path)

    save([Figure("b4_memory", 130.0, "MiB", "again")], 2.0, path)

    kept = json.loads(path.read_text())
    assert (kept["b0_rate"]["load"], kept["b4_memory"]["load"]) == (1.0, 2.0)
    assert kept["b4_memory"]["value"] == 130.0


def test_the_table_says_whether_a_target_is_met() -> None:
    text = StringIO()
    show([RATE, MEMORY], Console(file=text, width=120))

    rate, memory = (line for line in text.getvalue().splitlines() if "b0_rate" in line or "b4_memory" in line)
    assert "5,000" in rate
    assert "yes" in rate
    assert "yes" not in memory
