"""What is redrawn and listed in a terminal of ordinary size."""

import base64
from dataclasses import replace
from typing import Any

from rich.console import Console, RenderableType
from syncbucket_cli.cells import STATES
from syncbucket_cli.tables import live_view, unit_table
from syncbucket_cli.watching import View

MONTHS = ("2026-04", "2026-05", "2026-06")
CELLS = bytes(range(10)) * 30
COUNTERS = dict.fromkeys(STATES, 30) | {"total": 300}
BUCKET = {
    "id": "b_0198c1f2a3b4",
    "name": "October",
    "status": "running",
    "verdict": None,
    "version": 7,
    "counters": COUNTERS,
}
COLUMNS = [{"module": "return_register", "period": month} for month in MONTHS]
GROUP = {"units": 30, "title": "OTP needed", "owner": "taxpayer", "action": "request_otp", "text": "Enter the code."}
VIEW = View(BUCKET, {"columns": COLUMNS, "cells": base64.b64encode(CELLS).decode()}, [GROUP], per_s=27.8, eta_s=6.0)


def printed(text: RenderableType, width: int = 80) -> str:
    console = Console(width=width, markup=False, highlight=False, force_terminal=False)
    with console.capture() as captured:
        console.print(text)
    return captured.get()


def test_every_month_state_and_pace_is_readable_in_80_columns() -> None:
    text = printed(live_view(VIEW))
    lines = text.splitlines()
    assert "…" not in text
    assert all(f"return_register {month}" in text for month in MONTHS)
    assert "✓ done" in text
    assert "■ cancelled" in text
    assert lines[-3] == "180 of 300 · 27.8 units/s · about 6 s left"


def test_only_states_that_occur_have_a_column_and_a_legend() -> None:
    counters = dict.fromkeys(STATES, 0) | {"total": 300, "done": 300}
    cells = base64.b64encode(bytes([0x14]) * 300).decode()
    view = View(BUCKET | {"counters": counters}, {"columns": COLUMNS, "cells": cells}, [], per_s=1.0, eta_s=None)
    text = printed(live_view(view))
    assert "✓ done" in text
    assert "queued" not in text
    assert "about" not in text


def test_the_pace_is_left_out_while_unknown_and_after_the_end() -> None:
    ended = replace(VIEW, bucket=BUCKET | {"verdict": "complete"})
    for view in (ended, replace(VIEW, per_s=0.0, eta_s=None)):
        assert "180 of 300" in printed(live_view(view))
        assert "units/s" not in printed(live_view(view))


def test_a_unit_is_listed_with_its_gstin_and_the_day_its_data_is_due() -> None:
    reason: dict[str, Any] = {
        "title": "Not on the portal yet",
        "text": "The portal has not published this yet.",
        "owner": "nobody",
        "action": "wait_until",
        "detail": {"available_from": "2026-11-14"},
    }
    unit = {
        "id": "u_0_0",
        "gstin": "09FGTRP0787R1ZT",
        "client_name": "Foo",
        "module": "gstr2b",
        "period": "2026-10",
        "state": "not_available",
        "outcome": None,
        "reason": reason,
        "data": None,
    }
    text = printed(unit_table([unit]), width=200)
    assert "09FGTRP0787R1ZT" in text
    assert "The portal has not published this yet. Available from 2026-11-14." in text
    assert "wait" not in text
