"""What the control port takes: every field is optional, unknown fields are refused."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from portal_sandbox.sessions import Account, Duration, Sessions
from portal_sandbox.taxpayers import Access, Login, Twob
from portal_sandbox.throttle import Limits

PeriodText = Annotated[str, msgspec.Meta(pattern=r"^(0[1-9]|1[0-2])20[0-9]{2}$")]


class Advance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`seconds` forward, or forward to the time `to` (with a zone)."""

    seconds: float | None = None
    to: Annotated[datetime, msgspec.Meta(tz=True)] | None = None

    def step_s(self, now_s: float) -> float:
        """Raises ValueError unless exactly one of the two is given."""
        if (self.seconds is None) == (self.to is None):
            raise ValueError("give either seconds or to")
        return self.seconds if self.seconds is not None else self.to.timestamp() - now_s if self.to else 0.0


class LimitsChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fields of `Limits`; absent ones stay."""

    gsp_per_s: Annotated[float, msgspec.Meta(ge=0)] | None = None
    gsp_burst: Annotated[float, msgspec.Meta(ge=1)] | None = None
    gstin_concurrency: Annotated[int, msgspec.Meta(ge=1)] | None = None
    refuse_with: Literal["429", "RET13504"] | None = None
    retry_after: bool | None = None

    def over(self, limits: Limits) -> Limits:
        given = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        return msgspec.structs.replace(limits, **given)


class TaxpayerChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the taxpayer does at the portal, and what the portal holds for it.

    `duration` restarts the API access. `revoke` kills the sessions. `regenerate` makes that period's 2B anew, with
    other documents, `chksum` and `gendt`.
    """

    access: Access | None = None
    duration: Duration | None = None
    revoke: bool = False
    username: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    login: Login | None = None
    twob: Twob | None = None
    notices: Annotated[int, msgspec.Meta(ge=0, le=50)] | None = None
    regenerate: PeriodText | None = None

    def apply(self, sessions: Sessions, account: Account, now_s: float) -> None:
        self._change_access(sessions, account, now_s)
        account.login = self.login or account.login
        account.twob = self.twob or account.twob
        account.notices = account.notices if self.notices is None else self.notices
        if self.username is not None:
            sessions.rename(account, self.username)
        if self.regenerate is not None:
            account.revisions[self.regenerate] = account.revisions.get(self.regenerate, 0) + 1

    def _change_access(self, sessions: Sessions, account: Account, now_s: float) -> None:
        if self.revoke:
            sessions.revoke(account)
        if self.access == "disabled":
            account.access = "disabled"
        elif self.access == "enabled" or self.duration is not None:
            sessions.allow_access(account, self.duration or "30d", now_s)
