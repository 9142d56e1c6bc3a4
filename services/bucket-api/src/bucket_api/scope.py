"""The tenant as seen by a store: every filter and every inserted document passes through it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TenantScope:
    """One tenant, taken from a verified token and from nowhere else."""

    tenant_id: str

    def only(self, where: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The filter narrowed to this tenant; a `tenant_id` in `where` cannot widen it."""
        return {**(where or {}), "tenant_id": self.tenant_id}

    def owned(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The document as this tenant's."""
        return {**document, "tenant_id": self.tenant_id}
