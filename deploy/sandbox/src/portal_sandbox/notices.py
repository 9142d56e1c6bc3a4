"""Notices and orders: list, detail and documents of a taxpayer.

Issue dates hang on an anchor, a day that stays the same for 30 days, so that two reads agree; each taxpayer's notices
are at most 58 days old.
"""

from datetime import date, timedelta
from hashlib import sha256
from typing import Any

import msgspec

from portal_sandbox.draws import seeded
from portal_sandbox.periods import Period, period_of, slashed

NOT_GIVEN = "NA"
_GRID_DAYS = 30
_SPREAD_DAYS = 28
_TYPES = ("ASMT-10", "DRC-01", "DRC-01A", "GSTR-3A", "REG-17", "REG-03")
_MONTH_NAMES = (
    "JANUARY", "FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE",
    "JULY", "AUGUST", "SEPTEMBER", "OCTOBER", "NOVEMBER", "DECEMBER",
)  # fmt: skip
_FONT = b"<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"


class Attachment(msgspec.Struct, frozen=True):
    """A document of a notice."""

    id: str
    name: str
    content: bytes

    @property
    def digest(self) -> str:
        return sha256(self.content).hexdigest()


class Notice(msgspec.Struct, frozen=True):
    """One notice or order; `due_on` is None where the portal writes "NA"."""

    ref_id: str
    arn: str
    notice_type: str
    issued_on: date
    due_on: date | None
    from_period: Period
    main: tuple[Attachment, ...]
    supporting: tuple[Attachment, ...]

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        return self.main + self.supporting


def anchor_of(today: date) -> date:
    """The first day of the 30-day stretch that `today` lies in."""
    return date.fromordinal(today.toordinal() // _GRID_DAYS * _GRID_DAYS)


def notices_of(gstin: str, count: int, anchor: date, seed: int) -> tuple[Notice, ...]:
    """`count` notices, newest first."""
    drawn = (_notice(gstin, index, anchor, seed) for index in range(count))
    return tuple(sorted(drawn, key=lambda notice: (notice.issued_on, notice.ref_id), reverse=True))


def _notice(gstin: str, index: int, anchor: date, seed: int) -> Notice:
    draw = seeded(seed, "notice", gstin, str(index), anchor.isoformat())
    issued_on = anchor - timedelta(days=draw.randrange(_SPREAD_DAYS + 1))
    ref_id = f"Z{gstin[1]}{gstin[:2]}{issued_on:%m%y}{draw.randrange(10**7):07}"
    names = [f"{draw.getrandbits(48):012X}" for _ in range(1 + draw.choice((0, 0, 1, 2)))]
    documents = tuple(_attachment(ref_id, name) for name in names)
    return Notice(
        ref_id=ref_id,
        arn=f"AD{gstin[:2]}{issued_on:%m%y}{draw.randrange(10**6):06}X",
        notice_type=draw.choice(_TYPES),
        issued_on=issued_on,
        due_on=None if draw.randrange(4) == 0 else issued_on + timedelta(days=draw.choice((7, 15, 30))),
        from_period=period_of(issued_on).plus(-draw.randrange(3, 15)),
        main=documents[:1],
        supporting=documents[1:],
    )


def _attachment(ref_id: str, name: str) -> Attachment:
    return Attachment(name, f"NOTICE_{name}.pdf", _pdf(f"Simulated notice {ref_id}, document {name}"))


def _pdf(text: str) -> bytes:
    """A one-page PDF; the same text gives the same bytes."""
    stream = f"BT /F1 12 Tf 72 770 Td ({text}) Tj ET".encode()
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources %s >>" % _FONT,
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
    )
    body, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(body))
    return body + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + trailer


def list_row(notice: Notice) -> dict[str, str]:
    return {
        "refId": notice.ref_id,
        "arn": notice.arn,
        "moduleCd": notice.notice_type.split("-", maxsplit=1)[0],
        "alertCd": notice.notice_type,
        "dateOfIssue": slashed(notice.issued_on),
        "dateOfRespond": _date(notice.due_on),
    }


def detail(notice: Notice) -> dict[str, Any]:
    last = notice.from_period.plus(2)
    return {
        "refId": notice.ref_id,
        "arn": notice.arn,
        "noticeType": notice.notice_type,
        "dateOfIssue": slashed(notice.issued_on),
        "dueDateOfReply": _date(notice.due_on),
        "taxPeriod": {
            "fromMonth": _MONTH_NAMES[notice.from_period.month - 1],
            "fromYear": str(notice.from_period.year),
            "toMonth": _MONTH_NAMES[last.month - 1],
            "toYear": str(last.year),
        },
        "maindocs": [_document_row(attachment) for attachment in notice.main],
        "suppdocs": [_document_row(attachment) for attachment in notice.supporting],
    }


def _document_row(attachment: Attachment) -> dict[str, dict[str, str]]:
    details = {
        "ct": "application/pdf",
        "docName": attachment.name,
        "hash": attachment.digest,
        "id": attachment.id,
        "ty": "pdf",
    }
    return {"dcupdtls": details}


def _date(day: date | None) -> str:
    return NOT_GIVEN if day is None else slashed(day)
