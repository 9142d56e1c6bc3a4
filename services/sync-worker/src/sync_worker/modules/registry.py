"""The modules of this worker by name; a new module is one line here and one in the catalogue."""

import importlib
from collections.abc import Mapping

from sync_contracts.catalogue import Module

from sync_worker.modules.gstr1 import Outward
from sync_worker.modules.gstr2a import Gstr2a
from sync_worker.modules.gstr2b import Gstr2b
from sync_worker.modules.gstr3b import Gstr3b
from sync_worker.modules.ims import Ims
from sync_worker.modules.ledgers import Ledgers
from sync_worker.modules.notices import Notices
from sync_worker.modules.port import SyncModule
from sync_worker.modules.return_register import ReturnRegister


def gst_modules() -> dict[str, SyncModule]:
    """Modules that fetch from the GST portal."""
    modules: tuple[SyncModule, ...] = (
        Notices(),
        ReturnRegister(),
        Gstr2b(),
        Gstr3b(),
        Ledgers(),
        Outward(Module.GSTR1),
        Outward(Module.GSTR1A),
        Ims(),
        Gstr2a(),
    )
    return {module.name: module for module in modules}


def extra_modules(factory: str) -> Mapping[str, SyncModule]:
    """Modules of a benchmark or test, named as `package.module:factory`."""
    if not factory:
        return {}
    module, _, name = factory.partition(":")
    found: Mapping[str, SyncModule] = getattr(importlib.import_module(module), name)()
    return found
