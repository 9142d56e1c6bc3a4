"""Cells of a snapshot: one byte per unit, row by row. Bits 0-3 state, 4-5 outcome (1 changed, 2 unchanged, 3 empty)."""

import base64
from collections import Counter
from typing import Any

STATES = (
    "queued",
    "waiting",
    "running",
    "retrying",
    "done",
    "not_available",
    "needs_action",
    "failed",
    "skipped",
    "cancelled",
)
FINAL = frozenset({"done", "not_available", "needs_action", "failed", "skipped", "cancelled"})
HIDDEN = 15


def counts_by_column(snapshot: dict[str, Any]) -> list[Counter[str]]:
    """Counts by state of each column, in the order of the columns."""
    columns = len(snapshot["columns"])
    cells = base64.b64decode(snapshot["cells"])
    counts = []
    for column in range(columns):
        seen = Counter(cell & HIDDEN for cell in cells[column::columns])
        counts.append(Counter({STATES[code]: count for code, count in seen.items() if code != HIDDEN}))
    return counts


def column_name(column: dict[str, Any]) -> str:
    """How a column is called in the terminal: module, and period when it has one."""
    return column["module"] if column["period"] is None else f"{column['module']} {column['period']}"
