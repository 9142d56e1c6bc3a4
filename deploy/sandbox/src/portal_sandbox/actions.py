"""The portal's actions as data: a new module adds rows here and handlers in a file of its own."""

from collections.abc import Callable, Mapping

import msgspec

from portal_sandbox import answers
from portal_sandbox.calls import Call, Surface
from portal_sandbox.data import PortalData
from portal_sandbox.envelope import Answer

Handler = Callable[[PortalData, Call], Answer]


class Action(msgspec.Struct, frozen=True):
    """One read call of the portal in both styles.

    `style_b_names` maps a style B parameter to its style A name. `period_parameter` and `section_parameter` name the
    (style A) parameters that scenarios match and the journal lists.
    """

    surface: Surface
    path: str
    name: str
    versions: frozenset[str]
    handler: Handler
    style_b_path: str
    style_b_names: Mapping[str, str] = {}
    period_parameter: str = ""
    section_parameter: str = ""


ACTIONS = (
    Action(
        surface="public",
        path="commonapi/returns",
        name="RETTRACK",
        versions=frozenset({"v1.0", "v0.3"}),
        handler=answers.rettrack,
        style_b_path="public/rettrack",
    ),
    Action(
        surface="public",
        path="commonapi/search",
        name="TP",
        versions=frozenset({"v1.1"}),
        handler=answers.search,
        style_b_path="public/search",
    ),
    Action(
        surface="taxpayer",
        path="taxpayerapi/returns/gstr2b",
        name="GET2B",
        versions=frozenset({"v2.0", "v1.0"}),
        handler=answers.get_twob,
        style_b_path="gstr2b/all",
        style_b_names={"filenum": "file_num"},
        period_parameter="rtnprd",
        section_parameter="file_num",
    ),
    Action(
        surface="taxpayer",
        path="taxpayerapi/notices",
        name="NOTICELIST",
        versions=frozenset({"v1.0"}),
        handler=answers.notice_list,
        style_b_path="notices/noticelist",
    ),
    Action(
        surface="taxpayer",
        path="taxpayerapi/notices",
        name="NOTICEDTL",
        versions=frozenset({"v1.0"}),
        handler=answers.notice_detail,
        style_b_path="notices/noticedetails",
    ),
    Action(
        surface="taxpayer",
        path="taxpayerapi/notices",
        name="NOTICEDOC",
        versions=frozenset({"v1.0"}),
        handler=answers.notice_document,
        style_b_path="all/docdwld",
        style_b_names={"id": "docid"},
    ),
)
STYLE_A_ACTIONS = {(action.path, action.name): action for action in ACTIONS}
STYLE_B_ACTIONS = {action.style_b_path: action for action in ACTIONS}
