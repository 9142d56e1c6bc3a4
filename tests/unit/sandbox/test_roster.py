import csv
import io
from collections import Counter
from pathlib import Path

import pytest
from portal_sandbox.identifiers import is_gstin
from portal_sandbox.roster import COLUMNS, clients, write_csv
from portal_sandbox.taxpayers import taxpayer

COMMITTED = Path(__file__).parents[3] / "deploy" / "demo" / "clients.csv"


def test_committed_client_list_is_the_generated_one() -> None:
    out = io.StringIO()
    write_csv(clients(200, 1), out)
    assert COMMITTED.read_text() == out.getvalue()


def test_mix_of_two_hundred() -> None:
    traits = [taxpayer(client.gstin, 1) for client in clients(200, 1)]
    kinds = Counter(found.kind for found in traits)
    assert kinds == {"regular": 157, "qrmp": 25, "composition": 10, "cancelled": 8}
    assert sum(found.access == "disabled" for found in traits) == 8
    assert sum(not found.answers_otp for found in traits) == 12
    twobs = Counter(found.twob for found in traits)
    assert (twobs["not_generated"], twobs["previous_3b_missing"], twobs["large"], twobs["empty"]) == (7, 5, 4, 6)
    assert 40 < sum(found.notices > 0 for found in traits) < 120


@pytest.mark.parametrize("count", [1, 7, 200, 10_000])
def test_any_count_has_well_formed_and_unique_rows(count: int) -> None:
    rows = list(clients(count, 3))
    assert len(rows) == count
    assert len({row.gstin for row in rows}) == len({row.name for row in rows}) == count
    assert all(is_gstin(row.gstin) and row.gstin[5] not in "ABCEFGHJKLPT" for row in rows)


def test_file_has_the_columns_of_the_import() -> None:
    with COMMITTED.open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert {row["filing_frequency"] for row in rows} == {"monthly", "quarterly", "composition"}
    assert {row["status"] for row in rows} == {"active"}
