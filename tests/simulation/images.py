"""Pages and units as a majority has them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sync_contracts.pages import page_id, unit_from
from sync_contracts.units import Unit

from tests.simulation.documents import Document
from tests.simulation.portal import Unit as Address
from tests.simulation.world import World


class Images:
    """Looks at a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def unit(self, address: Address) -> Unit | None:
        """A unit as a majority has it."""
        bucket, number, ci, mi = address
        page = self._world.replica.majority("bucket_pages").get(page_id(bucket, number))
        if page is None or ci >= len(page["c"]) or mi >= len(page["c"][ci]["m"]):
            return None
        return unit_from(page["c"][ci]["m"][mi])

    def units(self) -> Iterator[tuple[Address, Unit]]:
        """All units as a majority has them."""
        for page in self._world.replica.majority("bucket_pages").values():
            for ci, client in enumerate(page["c"]):
                for mi, unit in enumerate(client["m"]):
                    yield (page["b"], page["p"], ci, mi), unit_from(unit)

    def pages(self, bucket: Document) -> Sequence[Document]:
        """All pages of a bucket."""
        pages = self._world.replica.majority("bucket_pages")
        return [pages[page_id(bucket["_id"], number)] for number in range(bucket["n_pages"])]

    def dataset_key(self, address: Address) -> str:
        """The id of a unit's dataset."""
        bucket, number, ci, mi = address
        document = self._world.bucket(bucket)
        client = self._world.replica.majority("bucket_pages")[page_id(bucket, number)]["c"][ci]["id"]
        column = document["columns"][mi]
        return f"{document['tenant_id']}:{client}:{column['module']}:{column['period'] or '-'}"


def is_terminal(bucket: Mapping[str, Any]) -> bool:
    """Whether the bucket has ended."""
    return bool(bucket["status"] != "RUNNING")


def changed_units(before: Document, after: Document) -> Iterator[tuple[Address, Unit, Unit]]:
    """The units that differ between two images of a page; images share what did not change."""
    for ci, (old, new) in enumerate(zip(before["c"], after["c"], strict=True)):
        if old is new:
            continue
        for mi, (was, now) in enumerate(zip(old["m"], new["m"], strict=True)):
            if was is not now and was != now:
                yield (after["b"], after["p"], ci, mi), unit_from(was), unit_from(now)
