"""Lines: accounts at a portal operator, a document each in `upstreams`. Clients and buckets of a tenant name theirs."""

from typing import Final

DEFAULT_LINE: Final = "up_gst_1"
"""The line of new clients, and of buckets that name none."""
