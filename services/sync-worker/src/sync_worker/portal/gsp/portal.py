"""The GST portal as one unit of one client sees it: logical calls in, data or refusals out."""

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

from msgspec.structs import replace
from sync_contracts.documents import ClientDocument, CredentialDocument, PortalSessionDocument
from sync_contracts.outcomes import OutcomeClass

from sync_worker.modules.port import NOT_OFFERED, Answer, Call, Files, Link, Refusal
from sync_worker.portal.calls import Use
from sync_worker.portal.gsp.envelope import Unreadable, exact_json, integrity
from sync_worker.portal.gsp.files import files_in, opened_file
from sync_worker.portal.gsp.identity import Identity, identity_of
from sync_worker.portal.gsp.keys import Keys, TenantVault
from sync_worker.portal.gsp.line import Answered, Clock, Line, Meter
from sync_worker.portal.gsp.session import ClientSession, SessionStore, stored_of
from sync_worker.portal.gsp.styles import STYLES, plain_data

T = TypeVar("T")
FILE: Final = "file.get"
_RENEWING: Final = frozenset({OutcomeClass.REFRESH, OutcomeClass.REHANDSHAKE})
_LOST: Final = frozenset({OutcomeClass.OTP_REQUIRED, OutcomeClass.OTP_INVALID})


class GstPortal:
    """One unit's view. Not to be shared between units; calls go one after another."""

    def __init__(
        self, identity: Identity, line: Line, session: ClientSession, *, store: SessionStore, clock: Clock, meter: Meter
    ) -> None:
        self._identity = identity
        self._line = line
        self._session = session
        self._store = store
        self._clock = clock
        self.meter = meter

    async def call(self, call: Call) -> Answer | Refusal:
        """Ask once; what a session needs on the way (extension, a rotated certificate) is done inside, each once."""
        action = self._line.profile.action.get(call.action)
        if action is None:
            return Refusal(OutcomeClass.SERVICE_CONFIG)
        if not action.has(call.params.get("section")):
            return Refusal(OutcomeClass.NOT_APPLICABLE, NOT_OFFERED)
        values = {**call.params, **self._identity.values()}
        if action.surface == "public":
            return self._public_data(await self._line.ask_public(call.action, values, self.meter))
        asked = await self._in_session(self._asking(call.action, values))
        return asked if isinstance(asked, Refusal) else _data(*asked)

    async def files(self, call: Call) -> Files | Refusal:
        """Where the files of a token are, with the key that opens them."""
        asked = await self._in_session(self._asking(call.action, {**call.params, **self._identity.values()}))
        return asked if isinstance(asked, Refusal) else files_in(*asked)

    async def file(self, link: Link, key: bytes) -> Answer | Refusal:
        """One file: checked, unpacked and opened here, or opened by the GSP."""
        values = self._identity.values()
        if not self._line.profile.action[FILE].archive:
            opening = {**values, "url": link.url, "ek": b64encode(key).decode()}
            asked = await self._in_session(self._asking(FILE, opening))
            return asked if isinstance(asked, Refusal) else _data(*asked)

        async def download(keys: Keys) -> bytes | Refusal:
            using = STYLES[keys.style].using(keys)
            return await self._line.download(FILE, link.url, {**values, **using}, self.meter)

        got = await self._in_session(download)
        return got if isinstance(got, Refusal) else await opened_file(got[1], link.sha256, key)

    def _asking(self, action: str, values: Mapping[str, str]) -> Callable[[Keys], Awaitable[Answered | Refusal]]:
        return lambda keys: self._line.ask(action, {**values, **STYLES[keys.style].using(keys)}, self.meter)

    async def _in_session(self, ask: Callable[[Keys], Awaitable[T | Refusal]]) -> tuple[Keys, T] | Refusal:
        """What came, and with which keys; the session is extended on the way where the portal asks for it."""
        keys = await self._session.keys(self.meter)
        if isinstance(keys, Refusal):
            return keys
        refusal = Refusal(OutcomeClass.OTP_REQUIRED)
        for attempt in range(2):
            answer = await ask(keys)
            if not isinstance(answer, Refusal):
                return keys, answer
            refusal = answer
            mended = await self._mended(keys, refusal) if attempt == 0 else None
            if mended is None:
                break
            if isinstance(mended, Refusal):
                return mended
            keys = mended
        return await self._concluded(keys, refusal)

    async def _mended(self, keys: Keys, refusal: Refusal) -> Keys | Refusal | None:
        """Keys to ask again with; None when this refusal cannot be mended here."""
        if refusal.outcome in _RENEWING:
            return await self._session.renew(keys, self.meter)
        if refusal.outcome in _LOST:
            return await self._session.replaced(keys)
        if refusal.outcome is OutcomeClass.REFETCH_CERT:
            certificate = await self._line.certificate(self.meter, anew=True)
            return certificate if isinstance(certificate, Refusal) else keys
        return None

    async def _concluded(self, keys: Keys, refusal: Refusal) -> Refusal:
        """What leaves the adapter: no internal step, and a dead session or a refused user name is remembered."""
        if refusal.outcome in _RENEWING | _LOST:
            return await self._session.end(keys, refusal)
        if refusal.outcome is OutcomeClass.REFETCH_CERT:
            return replace(refusal, outcome=OutcomeClass.TRANSIENT)
        if refusal.outcome is OutcomeClass.CREDENTIAL_INVALID:
            await self._session.refuse_username(keys)
        return refusal

    def _public_data(self, answer: Answered | Refusal) -> Answer | Refusal:
        if isinstance(answer, Refusal):
            return answer
        if self._line.profile.public_answer == "plain" and "data" not in answer.fields:
            return _answer(answer.reply.body, answer)
        return _answer(plain_data(answer.fields), answer)


class ClosedPortal:
    """The portal of a client whose line is not configured here: it is never called."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    async def call(self, call: Call) -> Refusal:  # noqa: ARG002 - whatever is asked
        """Always the same refusal."""
        return Refusal(OutcomeClass.SERVICE_CONFIG)

    async def files(self, call: Call) -> Refusal:
        """Always the same refusal."""
        return await self.call(call)

    async def file(self, link: Link, key: bytes) -> Refusal:  # noqa: ARG002 - whatever is asked
        """Always the same refusal."""
        return Refusal(OutcomeClass.SERVICE_CONFIG)


class PortalFactory:
    """Opens the portal for units. `lines` by `line_id` of the client document."""

    def __init__(self, lines: Mapping[str, Line], store: SessionStore, vault: TenantVault, clock: Clock) -> None:
        self._lines = lines
        self._store = store
        self._vault = vault
        self._clock = clock

    def open(
        self,
        tenant: str,
        client: ClientDocument,
        credential: CredentialDocument | None,
        *,
        use: Use,
        session: PortalSessionDocument | None = None,
    ) -> GstPortal | ClosedPortal:
        """One unit's portal. `use` is asked before each HTTP call; a `session` just read (majority) saves a read."""
        meter = Meter(use)
        line = self._lines.get(client["line_id"])
        if line is None:
            return ClosedPortal(meter)
        identity = identity_of(tenant, client, credential)
        known = None if session is None else stored_of(session)
        opened = ClientSession(
            identity, line=line, store=self._store, vault=self._vault, clock=self._clock, known=known
        )
        return GstPortal(identity, line, opened, store=self._store, clock=self._clock, meter=meter)


def _data(keys: Keys, answered: Answered) -> Answer | Refusal:
    return _answer(STYLES[keys.style].data(keys, answered.fields), answered)


def _answer(text: bytes | None, answered: Answered) -> Answer | Refusal:
    if text is None:
        return integrity(answered.reply)
    try:
        return Answer(exact_json(text), text)
    except Unreadable:
        return integrity(answered.reply)
