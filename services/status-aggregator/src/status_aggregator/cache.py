"""The pages in hand: a bounded set of images, the longest unused given up first."""

from collections import OrderedDict

from sync_contracts.pages import Page


class PageCache:
    """Images of pages by id. An image may be old; the compare-and-set on its version finds out."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pages: OrderedDict[str, Page] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pages)

    def get(self, page_id: str) -> Page | None:
        """The image, which counts as used."""
        page = self._pages.get(page_id)
        if page is not None:
            self._pages.move_to_end(page_id)
        return page

    def put(self, page: Page) -> None:
        """Keep an image, instead of an earlier one of the same page."""
        self._pages[page.id] = page
        self._pages.move_to_end(page.id)
        if len(self._pages) > self._limit:
            self._pages.popitem(last=False)

    def drop(self, page_id: str) -> None:
        """Forget an image: it is known or suspected to be old."""
        self._pages.pop(page_id, None)

    def drop_all(self) -> None:
        """Forget everything: another process may have written meanwhile."""
        self._pages.clear()
