"""What the handlers read: seed, calendar, accounts and the made-up data, with a bounded memory for large statements."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import date

from portal_sandbox.assumptions import Assumptions
from portal_sandbox.clock import VirtualClock
from portal_sandbox.notices import Notice, anchor_of, notices_of
from portal_sandbox.periods import Period, parse_period
from portal_sandbox.sessions import Account, Sessions
from portal_sandbox.twob import Statement, statement

_STATEMENTS_KEPT_BYTES = 64 << 20

StatementKey = tuple[str, Period, str, int]


class StatementMemory:
    """The statements made last, up to 64 MiB; a single larger one is made again for each call."""

    def __init__(self, limit_bytes: int = _STATEMENTS_KEPT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._kept: OrderedDict[StatementKey, Statement] = OrderedDict()

    def get(self, key: StatementKey, make: Callable[[], Statement]) -> Statement:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        made = make()
        if made.size <= self._limit_bytes:
            self._keep(key, made)
        return made

    def _keep(self, key: StatementKey, made: Statement) -> None:
        self._kept[key] = made
        self._bytes += made.size
        while self._bytes > self._limit_bytes:
            self._bytes -= self._kept.popitem(last=False)[1].size


class PortalData:
    """Reads only; changes come from the control port through `Sessions`."""

    def __init__(
        self, seed: int, clock: VirtualClock, assumptions: Assumptions, sessions: Sessions, part_documents: int
    ) -> None:
        first_twob = parse_period(assumptions.text("twob.first_period"))
        if first_twob is None:
            raise ValueError("twob.first_period must be MMYYYY")
        self.seed = seed
        self.first_twob = first_twob
        self.years_back = assumptions.integer("history.years_back")
        self.notices_since = assumptions.text("notices.date_means") == "since"
        self._clock = clock
        self._assumptions = assumptions
        self._sessions = sessions
        self._part_documents = part_documents
        self._notice_anchor = anchor_of(clock.today())
        self._statements = StatementMemory()

    @property
    def today(self) -> date:
        return self._clock.today()

    def account(self, gstin: str) -> Account:
        return self._sessions.account(gstin, self._clock.seconds())

    def no_data(self, module: str) -> str:
        """The module's one no-data code."""
        return self._assumptions.text(f"nodata.{module}")

    def notices(self, gstin: str) -> tuple[Notice, ...]:
        return notices_of(gstin, self.account(gstin).notices, self._notice_anchor, self.seed)

    def statement(self, gstin: str, period: Period) -> Statement:
        account = self.account(gstin)
        revision = account.revisions.get(str(period), 0)
        key = (gstin, period, account.twob, revision)
        return self._statements.get(
            key,
            lambda: statement(
                account.traits,
                account.twob,
                period,
                seed=self.seed,
                part_documents=self._part_documents,
                revision=revision,
            ),
        )
