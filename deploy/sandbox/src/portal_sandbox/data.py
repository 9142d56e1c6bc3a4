"""What the handlers read: seed, calendar, accounts, books and files."""

from collections.abc import Iterator
from datetime import date

from portal_sandbox.amounts import Amounts
from portal_sandbox.assumptions import Assumptions
from portal_sandbox.book.credit import Credit
from portal_sandbox.book.outward import IFF_SECTIONS, NilRow, Outward
from portal_sandbox.book.settlement import Rates, Settlement, accrued_credit, kept_credit, settle, settle_in_cash
from portal_sandbox.book.shelf import Books, Month, Shelf, Sums
from portal_sandbox.book.supplies import Supplies
from portal_sandbox.clock import VirtualClock
from portal_sandbox.draws import seeded
from portal_sandbox.files import FileRules, Files
from portal_sandbox.gstr1 import Return
from portal_sandbox.gstr3b import Period3b
from portal_sandbox.ims import Open
from portal_sandbox.memory import Memory
from portal_sandbox.notices import Notice, anchor_of, notices_of
from portal_sandbox.periods import TWOB_DAY, Period, parse_period, period_of
from portal_sandbox.register import FIRST_GSTR1A, RETURNS_OF, filing, return_type
from portal_sandbox.sessions import Account, Sessions
from portal_sandbox.twob import Statement, statement

_STATEMENTS_KEPT_BYTES = 64 << 20
_SETTLEMENTS_KEPT = 10_000
_IFF_DAY = 13
_LONGEST_PERIOD = 3
_PENDING_IN = 2

StatementKey = tuple[str, Period, str, int]


class PortalData:
    """Reads only; changes come from the control port and from generation on demand, through `Sessions`."""

    def __init__(
        self, seed: int, clock: VirtualClock, assumptions: Assumptions, sessions: Sessions, profile: str
    ) -> None:
        self.seed = seed
        self.assumptions = assumptions
        self.first_twob = _period(assumptions, "twob.first_period")
        self.first_ims = _period(assumptions, "ims.first_period")
        self.years_back = assumptions.integer("history.years_back")
        self.notices_since = assumptions.text("notices.date_means") == "since"
        self.notes_are_net = assumptions.flag("gstr1.notes_are_net")
        self.files = Files(seed, FileRules.of(assumptions, profile))
        self._rates = Rates(
            assumptions.integer("filing.interest_percent"), assumptions.integer("filing.late_fee_per_day")
        )
        self._iff_share = assumptions.number("gstr1.iff_share")
        self._clock = clock
        self._sessions = sessions
        self._part_documents = assumptions.integer(f"{profile}.part_documents")
        self._notice_anchor = anchor_of(clock.today())
        self._statements: Memory[StatementKey, Statement] = Memory(_STATEMENTS_KEPT_BYTES, lambda made: made.size)
        self._settlements: Memory[tuple[Books, date], Settlement] = Memory(_SETTLEMENTS_KEPT, lambda _: 1)
        self._shelf = Shelf(seed, self._part_documents)

    @property
    def today(self) -> date:
        return self._clock.today()

    @property
    def now_s(self) -> float:
        return self._clock.seconds()

    def account(self, gstin: str) -> Account:
        return self._sessions.account(gstin, self._clock.seconds())

    def no_data(self, module: str, action: str = "") -> str:
        """The action's own no-data code, else the module's."""
        own = f"nodata_of.{module}.{action}"
        return self.assumptions.text(own if own in self.assumptions else f"nodata.{module}")

    def notices(self, gstin: str) -> tuple[Notice, ...]:
        return notices_of(gstin, self.account(gstin).notices, self._notice_anchor, self.seed)

    def filed_on(self, account: Account, name: str, period: Period) -> date | None:
        """The day on which the register says that a return was filed."""
        return filing(account.traits, account.twob, name, period, today=self.today, seed=self.seed)

    def month(self, account: Account, month: Period) -> Month:
        return self._shelf.month(self._books(account, month))

    def sums(self, account: Account, month: Period) -> Sums:
        return self._shelf.sums(self._books(account, month))

    def statement(self, gstin: str, period: Period) -> Statement:
        account = self.account(gstin)
        revision = account.revision(str(period), self.now_s)
        return self._statements.get(
            (gstin, period, account.twob, revision),
            lambda: statement(
                account.traits,
                account.twob,
                period,
                seed=self.seed,
                part_documents=self._part_documents,
                revision=revision,
            ),
        )

    def gstr1(self, gstin: str, period: Period) -> Return:
        """GSTR-1 as saved or filed; empty before the month has ended. Quarterly filers: invoices of months 1 and 2
        apart where they use the facility, everything else with the quarter's last month."""
        account = self.account(gstin)
        if self.today <= period.last_day:
            return Return(gstin, period, (), (), filed=False)
        if not account.traits.files_quarterly:
            month = self.month(account, period)
            return Return(gstin, period, month.outward, month.nil, self.filed_on(account, "GSTR1", period) is not None)
        return self._quarterly(account, period)

    def gstr1a(self, gstin: str, period: Period) -> Return:
        """GSTR-1A; empty before its window opens, which is the later of due day and filing of GSTR-1."""
        account = self.account(gstin)
        kind, first = return_type(account.traits, "GSTR1"), self.filed_on(account, "GSTR1", period)
        none = Return(gstin, period, (), (), filed=False)
        if kind is None or first is None or period < FIRST_GSTR1A or self.today < kind.due_on(period):
            return none
        filed = self.filed_on(account, "GSTR1A", period) is not None
        return none._replace(rows=self.month(account, period).added, filed=filed)

    def gstr3b(self, gstin: str, period: Period) -> Period3b | None:
        """The figures of one period's GSTR-3B; None where none is owed, nothing was traded or the month runs."""
        account = self.account(gstin)
        kind = return_type(account.traits, "GSTR3B")
        if kind is None or not kind.is_for(period) or self.today <= period.last_day or account.twob == "empty":
            return None
        if not account.traits.is_registered_in(period):
            return None
        return Period3b(gstin, period, self.period_sums(account, period), self.settlement(account, period))

    def period_sums(self, account: Account, period: Period) -> Sums:
        """Supplies and credit of all months that a return is about."""
        months = [self.sums(account, month) for month in account.traits.months_in(period)]
        if len(months) == 1:
            return months[0]
        supplies, credit = Supplies(), Credit()
        for found in months:
            supplies = supplies.plus(found.supplies)
            credit.join(found.credit)
        return Sums(supplies, credit)

    def settlement(self, account: Account, period: Period) -> Settlement | None:
        """How a filed GSTR-3B was paid; None while it is not filed."""
        kind, filed_on = return_type(account.traits, "GSTR3B"), self.filed_on(account, "GSTR3B", period)
        if kind is None or filed_on is None:
            return None
        before = period.plus(-kind.every_months)
        return self._settlements.get(
            (self._books(account, period), filed_on),
            lambda: settle(
                period,
                kind.due_on(period),
                filed_on,
                self.period_sums(account, period),
                kept=(self.kept_credit(account, before), self.kept_credit(account, period)),
                rates=self._rates,
            ),
        )

    def settlements(self, account: Account, start: date, end: date) -> list[Settlement]:
        """Paid returns in order: all that were filed from `start` to `end`, and one before them where there is one."""
        first, last = period_of(start).plus(-2 * _LONGEST_PERIOD), period_of(min(end, self.today))
        if account.traits.cancelled_on is not None:
            first = min(first, period_of(account.traits.cancelled_on).plus(-_LONGEST_PERIOD))
        found: list[Settlement] = []
        for kind in RETURNS_OF[account.traits.kind]:
            for period in _from(first, last):
                filed_on = self.filed_on(account, kind.name, period) if kind.name != "GSTR1" else None
                if filed_on is not None and account.twob != "empty" and account.traits.kind != "uin":
                    found.append(self._settled(account, kind.name, period, filed_on))
        return sorted(found, key=lambda paid: paid.filed_on)

    def _settled(self, account: Account, name: str, period: Period, filed_on: date) -> Settlement:
        paid = self.settlement(account, period) if name == "GSTR3B" else None
        return paid or settle_in_cash(name, period, filed_on, account.traits.gstin, self.seed)

    def kept_credit(self, account: Account, period: Period) -> Amounts:
        """The credit that is left after a period's return."""
        accrued = accrued_credit(self.period_sums(account, period).credit)
        return kept_credit(accrued, account.traits.gstin, period, self.seed)

    def open_months(self, account: Account, as_of: date) -> list[Open]:
        """The months whose documents invoice management lists, oldest first.

        All months whose GSTR-3B is not filed, and the two periods before them with what is still pending.
        """
        if account.traits.kind not in {"regular", "qrmp"} or account.twob == "empty":
            return []
        found: list[Open] = []
        month, filed_periods = period_of(as_of), set[Period]()
        while (
            month >= max(self.first_ims, period_of(account.traits.registered_on)) and len(filed_periods) < _PENDING_IN
        ):
            period = account.traits.return_period(month)
            filed = self.filed_on(account, "GSTR3B", period)
            if filed is not None and filed <= as_of:
                filed_periods.add(period)
            found.append(Open(month, period in filed_periods, as_of >= period.on_day_after(TWOB_DAY)))
            month = month.plus(-1)
        return found[::-1]

    def _quarterly(self, account: Account, period: Period) -> Return:
        gstin = account.traits.gstin
        uses_iff = seeded(self.seed, "iff", gstin).random() < self._iff_share
        if not period.is_quarter_end:
            early = [row for row in self.month(account, period).outward if uses_iff and row.section in IFF_SECTIONS]
            return Return(gstin, period, early, (), filed=self.today >= period.on_day_after(_IFF_DAY))
        rows: list[Outward] = []
        nil: list[NilRow] = []
        for month in account.traits.months_in(period):
            told = uses_iff and month != period
            found = self.month(account, month)
            rows += [row for row in found.outward if not (told and row.section in IFF_SECTIONS)]
            nil += found.nil
        return Return(gstin, period, rows, nil, self.filed_on(account, "GSTR1", period) is not None)

    def _books(self, account: Account, month: Period) -> Books:
        period = account.traits.return_period(month)
        return Books(account.traits, account.twob, month, account.revision(str(period), self.now_s))


def _from(first: Period, last: Period) -> Iterator[Period]:
    month = first
    while month <= last:
        yield month
        month = month.plus(1)


def _period(assumptions: Assumptions, key: str) -> Period:
    found = parse_period(assumptions.text(key))
    if found is None:
        raise ValueError(f"{key} must be MMYYYY")
    return found
