"""The portal's actions as data: a new module adds rows here and handlers in a file of its own."""

import itertools
from collections.abc import Iterator, Mapping

import msgspec

from portal_sandbox import answers, gstr2a
from portal_sandbox.action import Action, Handler
from portal_sandbox.gstr1 import SECTIONS
from portal_sandbox.handlers import files, generation, gstr1, gstr3b, gstr9, ims, ledgers, preference
from portal_sandbox.handlers import gstr2a as gstr2a_handlers

_RETURNS = "taxpayerapi/returns"
_RET_PERIOD = {"retperiod": "ret_period", "returnperiod": "ret_period"}
_OLD = frozenset({"v0.2", "v0.3"})
_GSTR1 = frozenset({"v4.0", "v3.0"}) | _OLD
_GSTR3B = frozenset({"v6.0", "v4.0", "v3.1"}) | _OLD
_GSTR2A = frozenset({"v2.1"}) | _OLD
_COMMON = frozenset({"v1.1", "v1.0"}) | _OLD
_GSTR9 = frozenset({"v2.0", "v1.3"}) | _OLD
_GENERATION = frozenset({"v4.0", "v2.0"})
_V1 = frozenset({"v1.0"})
_GSTR1A_IN_STYLE_B = frozenset({"B2B", "B2BA", "CDNR", "CDNRA", "RETSUM"})


def _return_action(family: str, versions: frozenset[str], name: str, handler: Handler, style_b_path: str) -> Action:
    """A read of one period of a return."""
    return Action(
        surface="taxpayer",
        path=f"{_RETURNS}/{family}",
        name=name,
        versions=versions,
        handler=handler,
        style_b_path=style_b_path,
        style_b_names=_RET_PERIOD,
        period_parameter="ret_period",
    )


def _supplies() -> Iterator[Action]:
    """GSTR-1 in full, GSTR-1A with the few sections that style B has."""
    for name in (*SECTIONS, "RETSUM"):
        handler = gstr1.summary if name == "RETSUM" else gstr1.section
        yield _return_action("gstr1", _GSTR1, name, handler, f"gstr1/{name.lower()}")
        offered = f"gstr1a/{name.lower()}" if name in _GSTR1A_IN_STYLE_B else ""
        yield _return_action("gstr1a", _V1, name, handler, offered)
    yield Action(
        surface="taxpayer",
        path=f"{_RETURNS}/einvoice",
        name="EINV",
        versions=_V1,
        handler=gstr1.einvoices,
        period_parameter="ret_period",
        section_parameter="sec",
    )
    yield Action(
        surface="taxpayer",
        path=f"{_RETURNS}/einvoice",
        name="FILEDETL",
        versions=_V1,
        handler=files.details,
        period_parameter="ret_period",
        plain=True,
    )


def _gstr3b() -> Iterator[Action]:
    rows = (
        ("RETSUM", gstr3b.summary, "retsum"),
        ("AUTOLIAB", gstr3b.filled_in, "autoliab"),
        ("RETINT", gstr3b.interest, "syscalcintrst"),
    )
    for name, handler, style_b in rows:
        yield _return_action("gstr3b", _GSTR3B, name, handler, f"gstr3b/{style_b}")
    for name in ("CLOSINGBAL", "OPENINGBAL", "RCMCLOSINGBAL", "RCMOPNBAL"):
        yield Action(
            surface="taxpayer",
            path=f"{_RETURNS}/gstr3b",
            name=name,
            versions=_GSTR3B,
            handler=gstr3b.balance,
            style_b_path="" if name.startswith("RCM") else f"gstr3b/{name.lower()}",
            period_in_header=True,
        )


def _ledgers() -> Iterator[Action]:
    """Each ledger spells its parameters in its own way; older clients use another path and other names."""
    by_days = {"frdt": "fr_dt", "todt": "to_dt"}
    rows: tuple[tuple[tuple[str, ...], Handler, str, Mapping[str, str]], ...] = (
        (("CASH", "CASHDTL"), ledgers.cash, "cashdtl", by_days),
        (("ITC", "ITCDTL"), ledgers.credit, "itc", by_days),
        (("TAX",), ledgers.liability, "tax", by_days),
        (("BAL",), ledgers.balances, "bal", _RET_PERIOD),
        (("TAXPAYABLE",), ledgers.payable, "taxpayable", {**_RET_PERIOD, "rettype": "ret_type"}),
    )
    for names, handler, style_b, spelled in rows:
        for path, name in itertools.product((f"{_RETURNS}/ledgers", "taxpayerapi/ledgers"), reversed(names)):
            yield Action(
                surface="taxpayer",
                path=path,
                name=name,
                versions=_V1 | _OLD,
                handler=handler,
                style_b_path=f"ledgers/{style_b}",
                style_b_names=spelled,
                period_parameter="" if spelled is by_days else "ret_period",
            )


def _gstr2a() -> Iterator[Action]:
    for name in (*gstr2a.SOURCES, *gstr2a.DEDUCTED, "AMDHIST"):
        handler = gstr2a_handlers.deducted if name in gstr2a.DEDUCTED else gstr2a_handlers.section
        style_b = "" if name in {"ISDA", "TDSA", "TCSA"} else f"gstr2a/{name.lower()}"
        yield _return_action(
            "gstr2a", _GSTR2A, name, gstr2a_handlers.history if name == "AMDHIST" else handler, style_b
        )


def _ims() -> Iterator[Action]:
    rows: tuple[tuple[str, Handler, str, Mapping[str, str], str], ...] = (
        ("GETCNT", ims.counts, "invoicescount", {"goodsType": "goods_typ"}, ""),
        ("GETINV", ims.documents, "invoices", {}, "section"),
        ("REQSTS", ims.save_status, "status", {}, ""),
        ("FILEDET", files.details, "getfile", {}, ""),
    )
    for name, handler, style_b, spelled, section in rows:
        yield Action(
            surface="taxpayer",
            path=f"{_RETURNS}/ims",
            name=name,
            versions=_V1,
            handler=handler,
            style_b_path=f"ims/{style_b}",
            style_b_names=spelled,
            section_parameter=section,
            plain=name == "FILEDET",
        )


def _gstr9() -> Iterator[Action]:
    rows = (
        ("RECDS", gstr9.recorded, "getdet"),
        ("CALRCDS", gstr9.computed, "getautocal"),
        ("8ADETAILS", gstr9.details_8a, "get8adetails"),
    )
    for name, handler, style_b in rows:
        found = _return_action("gstr9", _GSTR9, name, handler, f"gstr9/{style_b}")
        names = {**_RET_PERIOD, "filenum": "file_num"}
        yield msgspec.structs.replace(found, section_parameter="file_num", style_b_names=names)


def _generation() -> Iterator[Action]:
    yield Action(
        surface="taxpayer",
        path=f"{_RETURNS}/gstr2b",
        name="GEN2B",
        versions=_GENERATION,
        handler=generation.generate,
        style_b_path="gstr2b/gen2b",
        method="PUT",
    )
    yield Action(
        surface="taxpayer",
        path=f"{_RETURNS}/gstr2b",
        name="GENSTS2B",
        versions=_GENERATION,
        handler=generation.status,
        style_b_path="gstr2b/get2b",
    )


def _preference() -> Iterator[Action]:
    """With a session in both styles, and in style B without one as well."""
    row = Action(
        surface="taxpayer",
        path=_RETURNS,
        name="GETPREF",
        versions=_COMMON,
        handler=preference.preference,
        style_b_path="all/getpref",
    )
    yield row
    yield msgspec.structs.replace(row, surface="public", path="", style_b_path="public/pref")


def _files() -> Iterator[Action]:
    yield Action(
        surface="taxpayer",
        path=_RETURNS,
        name="FILEDET",
        versions=_COMMON,
        handler=files.details,
        style_b_path="all/filedet",
        style_b_names=_RET_PERIOD,
        period_parameter="ret_period",
        plain=True,
    )
    yield Action(
        surface="taxpayer",
        path="",
        name="LARGEFILE",
        versions=_V1,
        handler=files.opened,
        style_b_path="all/largefile",
    )


_FIRST = (
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
        path=f"{_RETURNS}/gstr2b",
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
        versions=_V1,
        handler=answers.notice_list,
        style_b_path="notices/noticelist",
    ),
    Action(
        surface="taxpayer",
        path="taxpayerapi/notices",
        name="NOTICEDTL",
        versions=_V1,
        handler=answers.notice_detail,
        style_b_path="notices/noticedetails",
    ),
    Action(
        surface="taxpayer",
        path="taxpayerapi/notices",
        name="NOTICEDOC",
        versions=_V1,
        handler=answers.notice_document,
        style_b_path="all/docdwld",
        style_b_names={"id": "docid"},
    ),
)
ACTIONS = (
    *_FIRST, *_supplies(), *_gstr3b(), *_ledgers(), *_gstr2a(), *_ims(), *_files(), *_generation(), *_preference(),
    *_gstr9(),
)  # fmt: skip
STYLE_A_ACTIONS = {(action.path, action.name): action for action in ACTIONS if action.path}
STYLE_B_ACTIONS = {action.style_b_path: action for action in ACTIONS if action.style_b_path}
