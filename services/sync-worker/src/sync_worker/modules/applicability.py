"""Which registrations have a monthly return at all, pure: by the catalogue."""

from sync_contracts.catalogue import MODULES, ClientKind, Module

from sync_worker.modules.calendar import is_quarter_end


def has_return(module: Module, kind: str, month: str) -> bool:
    """Whether a registration of this kind can have this return for this month; an unknown kind is asked for."""
    if kind == ClientKind.QRMP:
        return is_quarter_end(month)
    return kind not in MODULES[module].not_applicable_for
