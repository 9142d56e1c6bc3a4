"""F24: what is stored is what the portal gave, to the last digit, and stays until something whole replaces it."""

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from portal_sandbox.periods import Period
from portal_sandbox.taxpayers import taxpayer
from portal_sandbox.twob import statement

from tests.support.practices import Practice
from tests.support.registrations import Registration, registration
from tests.support.running_stack import PARTS_OF_2B, RunningStack

Json = dict[str, Any]
SEED = 1
MONTH = "2026-10"
_AMOUNT = re.compile(r"-?\d+\.\d{2}")


@dataclass
class Fetched:
    """One client with a 2B in one part, and one with its 2B in ten."""

    practice: Practice
    small: Registration
    large: Registration


@pytest.fixture(scope="module")
def fetched(running: RunningStack) -> Fetched:
    practice, small, large = running.practice("correct"), registration(), registration(size=9)
    practice.take_on([small, large])
    assert practice.ended(practice.start("gstr2b"))["verdict"] == "complete"
    return Fetched(practice, small, large)


def _stored(running: RunningStack, fetched: Fetched, client: Registration) -> Json:
    stored = running.dataset(fetched.practice.tenant, fetched.practice.ids[client.gstin], "gstr2b", MONTH)
    assert stored is not None
    return stored


def _exactly(body: bytes) -> Json:
    """JSON with its amounts as decimals."""
    found: Json = json.loads(body, parse_float=Decimal)
    return found


def _parts_at_portal(client: Registration) -> list[Json]:
    """Every part of the statement as the portal has it."""
    traits = taxpayer(client.gstin, SEED)
    made = statement(traits, "generated", Period(2026, 10), seed=SEED, part_documents=PARTS_OF_2B, revision=0)
    return [_exactly(part)["data"] for part in made.parts]


def _documents_at_portal(client: Registration) -> list[Json]:
    return [part["docdata"] for part in _parts_at_portal(client)]


def _amounts(tree: Any) -> list[str]:
    """Every amount of a tree, sorted: numbers with a point at the portal, text with two places where it is stored."""
    match tree:
        case dict():
            return sorted(value for branch in tree.values() for value in _amounts(branch))
        case list():
            return sorted(value for branch in tree for value in _amounts(branch))
        case Decimal() | str() if _AMOUNT.fullmatch(str(tree)):
            return [str(tree)]
        case _:
            return []


@pytest.mark.parametrize("which", ["small", "large"])
def test_f24_a1_every_amount_is_the_portals_own_decimal(running: RunningStack, fetched: Fetched, which: str) -> None:
    client: Registration = getattr(fetched, which)
    stored = _stored(running, fetched, client)
    documents = _exactly(running.plain(stored))["docdata"]

    assert _amounts(documents) == _amounts(_documents_at_portal(client)) != []


def test_f24_a1_control_totals_are_exact_sums(running: RunningStack, fetched: Fetched) -> None:
    stored = _stored(running, fetched, fetched.large)
    summary = _parts_at_portal(fetched.large)[0]["cpsumm"]

    for name in ("txval", "igst", "cgst", "sgst", "cess"):
        total = sum((row[name] for section in summary.values() for row in section if name in row), Decimal())
        assert stored["totals"][name] == {"ours": str(total), "portal": str(total)}, name


def test_f24_a2_a_pull_that_lacks_a_part_removes_nothing(running: RunningStack, fetched: Fetched) -> None:
    practice, large = fetched.practice, fetched.large
    before = _stored(running, fetched, large)
    whole = running.plain(before)
    running.sandbox.change(large.gstin, regenerate="102026")

    with running.sandbox.fault("missing_part", gstin=large.gstin, section="4"):
        bucket_id = practice.start("gstr2b", selection=practice.only(large), options={"force": True})
        practice.ended(bucket_id)

    unit = practice.unit(bucket_id, large, "gstr2b")
    assert (unit["state"], unit["reason"]["code"]) == ("failed", "section_missing")
    after = _stored(running, fetched, large)
    assert (after["ver"], after["sha256"], after["rows"]) == (before["ver"], before["sha256"], before["rows"])
    assert running.plain(after) == whole


def test_f24_a2_the_next_whole_pull_replaces_it(running: RunningStack, fetched: Fetched) -> None:
    practice, large = fetched.practice, fetched.large
    before = _stored(running, fetched, large)

    bucket_id = practice.start("gstr2b", selection=practice.only(large), options={"force": True})

    assert practice.ended(bucket_id)["verdict"] == "complete"
    assert practice.unit(bucket_id, large, "gstr2b")["outcome"] == "changed"
    after = _stored(running, fetched, large)
    assert after["sha256"] != before["sha256"]
    assert after["fence"] > before["fence"]


def test_f24_a4_the_payload_is_kept_encrypted_with_its_hash(running: RunningStack, fetched: Fetched) -> None:
    stored = _stored(running, fetched, fetched.small)
    plain = running.plain(stored)

    assert sha256(plain).hexdigest() == stored["sha256"]
    assert fetched.small.gstin.encode() in plain
    assert fetched.small.gstin.encode() not in bytes(stored["data"])
    assert _exactly(plain)["gstin"] == fetched.small.gstin
