"""The portal's whole state, shared by both styles and the control port."""

import time
from collections.abc import Callable

from portal_sandbox.assumptions import load_assumptions
from portal_sandbox.bench import NullCalls
from portal_sandbox.clock import VirtualClock
from portal_sandbox.data import PortalData
from portal_sandbox.envelope import Envelopes
from portal_sandbox.faults import GspFaults, Scenarios, Surge
from portal_sandbox.journal import Journal
from portal_sandbox.keys import PortalKeys
from portal_sandbox.latency import LatencyProfile
from portal_sandbox.public_tokens import PublicTokens
from portal_sandbox.sessions import Account, Sessions
from portal_sandbox.settings import Settings
from portal_sandbox.taxpayers import gstin_of
from portal_sandbox.throttle import Limits, Throttle
from portal_sandbox.txns import Transactions


class Portal:
    """Built from settings; nothing is shared between two portals."""

    def __init__(self, settings: Settings, *, real_time: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self.assumptions = load_assumptions(settings.assumptions)
        self.clock = VirtualClock(start_at=settings.start_at, real=real_time)
        self.keys = PortalKeys(self.clock.now())
        self.sessions = Sessions(settings.seed, self.assumptions)
        self.public_tokens = PublicTokens(self.assumptions.integer("public.token_life_min") * 60)
        self.transactions = Transactions()
        self.envelopes = Envelopes(self.assumptions)
        profile = f"profile.{settings.profile}"
        self.data = PortalData(settings.seed, self.clock, self.assumptions, self.sessions, profile)
        self.usual_limits = Limits.of(self.assumptions, profile)
        self.throttle = Throttle(self.usual_limits)
        self.latency = LatencyProfile.of(self.assumptions, profile)
        due_days = self.assumptions.integers("gateway.due_days")
        self.surge = Surge(due_days, self.assumptions.number(f"{profile}.surge_factor"))
        self.scenarios = Scenarios()
        self.faults = GspFaults()
        self.journal = Journal()
        self.null_calls = NullCalls()
        self.script: str | None = None

    def account_of_user(self, username: str) -> Account | None:
        """The account behind a portal user name, or None when there is none."""
        gstin = self.sessions.renamed_gstin(username) or gstin_of(username)
        return None if gstin is None else self.sessions.account(gstin, self.clock.seconds())
