"""The modules of this worker by name; a new module is one line here and one in the catalogue."""

from sync_worker.modules.gstr2b import Gstr2b
from sync_worker.modules.notices import Notices
from sync_worker.modules.port import SyncModule
from sync_worker.modules.return_register import ReturnRegister


def gst_modules() -> dict[str, SyncModule]:
    """Modules that fetch from the GST portal."""
    modules: tuple[SyncModule, ...] = (Notices(), ReturnRegister(), Gstr2b())
    return {module.name: module for module in modules}
