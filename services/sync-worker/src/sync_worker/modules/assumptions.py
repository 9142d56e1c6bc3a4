"""Numbers that no public source gives for the portal: what the modules work with until a GSP account says otherwise."""

from typing import Final

NOTICE_WINDOW_DAYS: Final = 60
"""How far back the list of notices is asked for; `date` is taken to mean "issued since". Clients disagree on both."""
NOTICE_REREAD_DAYS: Final = 30
"""After this time listed notices are read again even if their row did not change."""
NOTICE_JOIN_MINUTES: Final = 30
"""How long notices read by an earlier attempt may be joined with later ones: the portal gives no marker."""
MAX_NOTICES: Final = 5_000
MAX_DOCUMENT_CHARS: Final = 64 * 1024 * 1024
"""Greatest sum of the documents of one pull, as base64 text."""
MAX_TWOB_PARTS: Final = 500
TWOB_CUT_OFF_DAY: Final = 14
"""Day of the next month from which a 2B can be asked for (this one is documented); due dates get extended ad hoc."""
