"""What an action of the portal is."""

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from portal_sandbox.calls import Call, Surface
from portal_sandbox.data import PortalData
from portal_sandbox.envelope import Answer

Handler = Callable[[PortalData, Call], Answer]


class Action(msgspec.Struct, frozen=True):
    """One call of the portal in both styles; an empty path: not offered in that style.

    `style_b_names` maps a style B parameter to its style A name. `period_parameter` and `section_parameter` name the
    (style A) parameters that scenarios match and the journal lists; `period_in_header`: the call has its period in the
    header only. An answer of a plain action is not encrypted in style A.
    """

    surface: Surface
    path: str
    name: str
    versions: frozenset[str]
    handler: Handler
    style_b_path: str = ""
    style_b_names: Mapping[str, str] = {}
    period_parameter: str = ""
    section_parameter: str = ""
    period_in_header: bool = False
    method: Literal["GET", "PUT"] = "GET"
    plain: bool = False

    @property
    def family(self) -> str:
        return self.path.rpartition("/")[2]
