"""What may happen to the units of a bucket, as the log tells it."""

import random
from collections.abc import Sequence

from sync_contracts.events import Event
from sync_contracts.pages import Page

from tests.support.records import Events


def lanes_of(page: Page, rng: random.Random) -> list[list[Event]]:
    """For each unit what follows its first dispatch, in order: some retry once, some fail."""
    of_page = Events(page)
    lanes: list[list[Event]] = []
    for ci, row in enumerate(page.rows):
        for mi in range(len(row)):
            lane: list[Event] = [of_page.started(ci, mi, 1)]
            if rng.random() < 0.2:
                lane += [of_page.retry(ci, mi, 1), of_page.dispatched((ci, mi, 2)), of_page.succeeded(ci, mi, 2)]
            else:
                lane.append(of_page.succeeded(ci, mi, 1) if rng.random() < 0.9 else of_page.failed(ci, mi, 1))
            lanes.append(lane)
    return lanes


def interleaved(lanes: list[list[Event]], rng: random.Random) -> list[Event]:
    """One order of all events that keeps each lane's own order."""
    left = [lane[:] for lane in lanes]
    merged: list[Event] = []
    while left:
        lane = rng.choice(left)
        merged.append(lane.pop(0))
        if not lane:
            left.remove(lane)
    return merged


def all_dispatched(page: Page) -> Event:
    """Every unit of a page dispatched for the first time."""
    addresses = [(ci, mi, 1) for ci, row in enumerate(page.rows) for mi in range(len(row))]
    return Events(page).dispatched(*addresses)


def history(pages: Sequence[Page], seed: int = 7) -> list[Event]:
    """A bucket from its first dispatch to the end of every unit."""
    rng = random.Random(seed)
    lanes = [lane for page in pages for lane in lanes_of(page, rng)]
    return [*(all_dispatched(page) for page in pages), *interleaved(lanes, rng)]
