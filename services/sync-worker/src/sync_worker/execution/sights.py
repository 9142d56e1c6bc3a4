"""Preflight of many units together: one find for their pages, one for their buckets; what was read serves for a moment.

An image of a second ago is what a slow worker would hold anyway. It is used only if it is at least as new as the one
from which the attempt was dispatched, and a bucket only for the round that it was read in or an earlier one.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from sync_contracts.commands import Command
from sync_contracts.dead_letters import DeadLetterReason
from sync_contracts.pages import page_id

from sync_worker.combining import Combiner
from sync_worker.durable import Document
from sync_worker.execution.preflight import (
    BucketView,
    Forged,
    PageImage,
    Preflight,
    image_from,
    judge,
    knows_dispatch,
    knows_round,
    locate,
    view_from,
)

PAGE_AGE_S: Final = 1.0
BUCKET_AGE_S: Final = 2.0
BUCKET_RENEWED_S: Final = 1.0
"""A batch reads a bucket again at this age, so that units about to ask the portal seldom find it too old."""
PAGES_KEPT: Final = 32
BUCKETS_KEPT: Final = 512
MAX_BATCH: Final = 500


class Reads(Protocol):
    """Majority reads of pages and buckets."""

    async def pages(self, ids: Sequence[str]) -> dict[str, Document]: ...
    async def client_of_page(self, page: str, ci: int) -> Document | None: ...
    async def newest_page(self, page: str) -> Document | None: ...
    async def buckets(self, ids: Sequence[str]) -> dict[str, Document]: ...
    async def newest_bucket(self, bucket: str) -> Document | None: ...


class Sights:
    """What units and buckets look like at the start of a run."""

    def __init__(self, reads: Reads, clock_s: Callable[[], float]) -> None:
        self._reads = reads
        self._clock_s = clock_s
        self._pages: OrderedDict[str, PageImage] = OrderedDict()
        self._buckets: OrderedDict[str, BucketView] = OrderedDict()
        self._alone: str | None = None  # page of the last unit that came alone; a second one is the begin of many
        self._combiner: Combiner[Command, Preflight] = Combiner(self._look_at_all, max_batch=MAX_BATCH)
        self._controls: Combiner[Command, BucketView | None] = Combiner(self._look_at_buckets, max_batch=MAX_BATCH)

    async def look(self, command: Command) -> Preflight:
        """The unit of a command and what is to be done with it."""
        bucket = self._fresh_bucket(command)
        page = self._pages.get(page_id(command.bucket, command.page))
        if bucket is not None and page is not None and page.read_at + PAGE_AGE_S > self._clock_s():
            unit = locate(page, command)
            if knows_dispatch(unit, command.attempt):
                return judge(command, unit, bucket)
        return await self._combiner.ask(command)

    async def is_cancelled(self, command: Command) -> bool:
        """Whether the command's bucket is cancelled, as known at most two seconds ago."""
        view = self._fresh_bucket(command)
        if view is None:
            view = await self._controls.ask(command)
        return view is not None and knows_round(view, command.attempt) and view.control == "CANCEL"

    def _fresh_bucket(self, command: Command, age_s: float = BUCKET_AGE_S) -> BucketView | None:
        view = self._buckets.get(command.bucket)
        if view is None or view.read_at + age_s <= self._clock_s() or not knows_round(view, command.attempt):
            return None
        return view

    async def _look_at_all(self, commands: Sequence[Command]) -> Sequence[Preflight]:
        pages = await self._read_pages(commands)
        await self._read_buckets(commands, BUCKET_RENEWED_S)
        return [await self._judge(command, pages.get(page_id(command.bucket, command.page))) for command in commands]

    async def _look_at_buckets(self, commands: Sequence[Command]) -> Sequence[BucketView | None]:
        await self._read_buckets(commands)
        return [self._buckets.get(command.bucket) for command in commands]

    async def _judge(self, command: Command, page: PageImage | None) -> Preflight:
        bucket = self._buckets.get(command.bucket)
        verdict = judge(command, locate(page, command), bucket)
        return await self._judge_anew(command) if verdict == Forged(DeadLetterReason.AHEAD) else verdict

    async def _judge_anew(self, command: Command) -> Preflight:
        """By what the primary can prove to be the newest: a majority read may come from one that was deposed."""
        page = await self._reads.newest_page(page_id(command.bucket, command.page))
        bucket = await self._reads.newest_bucket(command.bucket)
        now_s = self._clock_s()
        image = image_from(page, now_s) if page else None
        return judge(command, locate(image, command), view_from(bucket, now_s) if bucket else None)

    async def _read_pages(self, commands: Sequence[Command]) -> dict[str, PageImage]:
        read_at = self._clock_s()
        key = page_id(commands[0].bucket, commands[0].page)
        if len(commands) == 1 and self._alone != key:
            only, self._alone = commands[0], key
            document = await self._reads.client_of_page(key, only.ci)
            return {key: image_from(document, read_at, only.ci)} if document else {}
        keys = list(dict.fromkeys(page_id(command.bucket, command.page) for command in commands))
        found = await self._reads.pages(keys)
        images = {key: image_from(document, read_at) for key, document in found.items()}
        for key, image in images.items():
            self._pages[key] = image
            self._pages.move_to_end(key)
        _forget_oldest(self._pages, PAGES_KEPT)
        return images

    async def _read_buckets(self, commands: Sequence[Command], age_s: float = BUCKET_AGE_S) -> None:
        read_at = self._clock_s()
        wanted = dict.fromkeys(command.bucket for command in commands if self._fresh_bucket(command, age_s) is None)
        if not wanted:
            return
        found = await self._reads.buckets(list(wanted))
        for key in wanted:
            self._buckets.pop(key, None)
            if key in found:
                self._buckets[key] = view_from(found[key], read_at)
        _forget_oldest(self._buckets, BUCKETS_KEPT)


def _forget_oldest(kept: "OrderedDict[str, PageImage] | OrderedDict[str, BucketView]", limit: int) -> None:
    while len(kept) > limit:
        kept.popitem(last=False)
