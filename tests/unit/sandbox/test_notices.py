from datetime import date, timedelta
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st
from portal_sandbox.notices import Notice, anchor_of, detail, list_row, notices_of

GSTIN = "27AAPFU0939F1ZV"
TODAY = date(2026, 11, 24)


def some(count: int, today: date = TODAY) -> tuple[Notice, ...]:
    return notices_of(GSTIN, count, anchor_of(today), 1)


@given(st.dates(date(2024, 1, 1), date(2030, 1, 1)), st.integers(0, 9))
def test_every_notice_lies_within_the_last_sixty_days(today: date, count: int) -> None:
    notices = some(count, today)
    assert len(notices) == count
    assert all(today - timedelta(days=60) <= notice.issued_on <= today for notice in notices)


def test_notices_are_stable_and_have_references_of_their_own() -> None:
    assert some(9) == some(9)
    assert len({notice.ref_id for notice in some(9)}) == 9
    identities = [attachment.id for notice in some(9) for attachment in notice.attachments]
    assert len(identities) == len(set(identities))


def test_some_dates_are_not_given() -> None:
    drawn = [notice for index in range(20) for notice in notices_of(GSTIN, 9, TODAY, index)]
    rows = [list_row(notice) for notice in drawn]
    share = sum(row["dateOfRespond"] == "NA" for row in rows) / len(rows)
    assert 0.1 < share < 0.4
    assert all(detail(notice)["dueDateOfReply"] == list_row(notice)["dateOfRespond"] for notice in drawn)


def test_detail_announces_the_hash_of_each_document() -> None:
    notice = next(notice for notice in notices_of(GSTIN, 9, TODAY, 1) if notice.supporting)
    told = detail(notice)
    assert [row["dcupdtls"]["hash"] for row in told["maindocs"] + told["suppdocs"]] == [
        sha256(attachment.content).hexdigest() for attachment in notice.attachments
    ]
    assert told["taxPeriod"]["fromMonth"].isupper()
    assert all(attachment.content.startswith(b"%PDF-1.4") for attachment in notice.attachments)
