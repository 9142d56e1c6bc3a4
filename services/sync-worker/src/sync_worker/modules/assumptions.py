"""What no public source tells of the portal: numbers and names to work with until a GSP account says otherwise."""

from collections.abc import Mapping
from typing import Final

NOTICE_WINDOW_DAYS: Final = 60
"""How far back the list of notices is asked for; `date` is taken to mean "issued since". Clients disagree on both."""
NOTICE_REREAD_DAYS: Final = 30
"""After this time listed notices are read again even if their row did not change."""
JOIN_MINUTES: Final = 30
"""How long parts read by an earlier attempt may be joined with later ones where the portal gives no marker."""
FILE_POLL_MINUTES: Final = 5
"""When a file that is not ready is asked for again, where the portal does not say."""
MAX_FILES: Final = 500
"""Files of one section."""
MAX_NOTICES: Final = 5_000
MAX_DOCUMENT_CHARS: Final = 64 * 1024 * 1024
"""Greatest sum of the documents of one pull, as base64 text."""
MAX_TWOB_PARTS: Final = 500
TWOB_CUT_OFF_DAY: Final = 14
"""Day of the next month from which a 2B can be asked for (this one is documented); due dates get extended ad hoc."""
IMS_REREAD_DAYS: Final = 1
"""For so long equal counts stand for equal documents; two changes in opposite ways would leave them equal."""
IMS_RECOUNT_S: Final = 60.0
"""A reading of documents that took longer is counted again."""
LIABILITY_GROWS_BY: Final = ("Dr", "Cr")
"""Kinds of line that may make the liability ledger grow: no source says which, so a ledger may hold to either."""

ANSWERED_AS: Final[Mapping[str, str]] = {
    "NIL": "nil",
    "HSNSUM": "hsn",
    "DOCISS": "doc_issue",
    "TXP": "txpd",
    "TXPA": "txpda",
}
"""Keys of the answers of GSTR-1 sections that are not the lower-case action. TXPA is read as TXP is."""
SUMMED_AS: Final[Mapping[str, str]] = {
    **{key.upper(): action for action, key in ANSWERED_AS.items()},
    "DOCISSUE": "DOCISS",
    "SUPECOM": "SUPECO",
    "SUPECOMA": "SUPECOA",
}
"""Names of GSTR-1 sections in the summary that are no action: the key of the answer, or a spelling that was seen."""
COUNTED_ONLY: Final = frozenset({"NIL", "DOCISS", "SUPECO", "SUPECOA", "ECOM", "ECOMA", "AT", "ATA", "TXP", "TXPA"})
"""GSTR-1 sections whose records are taken to state amounts of another kind than the summary."""
SUBTOTALS: Final = frozenset({
    "B2B_4A", "B2B_4B", "B2B_6C", "B2B_SEZWP", "B2B_SEZWOP", "EXP_EXPWP", "EXP_EXPWOP", "SUPECO_14A", "SUPECO_14B",
    "SUPECOA_14A", "SUPECOA_14B", "ECOM_REG", "ECOM_UNREG", "ECOM_DE", "ECOM_SEZWP", "ECOM_SEZWOP", "TTL_LIAB",
})  # fmt: skip
"""Names in the GSTR-1 summary that are taken to sum up sections, or parts of them, which have a row of their own."""
