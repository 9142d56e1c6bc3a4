"""The handshake with the portal: ask for an OTP, log in with it, log out.

Each call is made once, or twice where the portal refuses the app key and a new one is drawn.
"""

import secrets
from collections.abc import Callable

from msgspec.structs import replace
from sync_contracts.outcomes import OutcomeClass

from sync_worker.modules.port import Refusal
from sync_worker.portal.gsp.crypto import KEY_BYTES, Certificate
from sync_worker.portal.gsp.envelope import integrity
from sync_worker.portal.gsp.keys import Handshake, Keys
from sync_worker.portal.gsp.line import Answered, Line, Meter
from sync_worker.portal.gsp.styles import STYLES, Opened, Values


async def ask_otp(line: Line, username: str, request: str, values: Values, meter: Meter) -> Handshake | Refusal:
    """Have the portal send an OTP; `values` identify the client. The app key is new for each handshake."""
    handshake = Handshake(line.profile.style, username, request, secrets.token_bytes(KEY_BYTES))
    style = STYLES[handshake.style]

    def asking(begun: Handshake, certificate: Certificate | None) -> Values:
        return {**values, **style.asking(begun, certificate)}

    answer = await _ask(line, "otp.request", handshake, asking, meter)
    if isinstance(answer, Refusal):
        return answer
    begun, answered = answer
    return style.asked(begun, answered.fields) or integrity(answered.reply)


async def submit_otp(line: Line, handshake: Handshake, otp: str, values: Values, meter: Meter) -> Opened | Refusal:
    """Open the session with the code that the taxpayer received."""
    style = STYLES[handshake.style]

    def submitting(begun: Handshake, certificate: Certificate | None) -> Values:
        return {**values, **style.submitting(begun, otp, certificate)}

    answer = await _ask(line, "otp.submit", handshake, submitting, meter)
    if isinstance(answer, Refusal):
        return answer
    begun, answered = answer
    return style.submitted(begun, answered.fields) or integrity(answered.reply)


async def log_out(line: Line, keys: Keys, values: Values, meter: Meter) -> Refusal | None:
    """Tell the portal that the session is over."""
    answer = await line.ask("session.logout", {**values, **STYLES[keys.style].using(keys)}, meter)
    return answer if isinstance(answer, Refusal) else None


async def _ask(
    line: Line,
    action: str,
    handshake: Handshake,
    values: Callable[[Handshake, Certificate | None], Values],
    meter: Meter,
) -> tuple[Handshake, Answered] | Refusal:
    answer = await _ask_once(line, action, handshake, values, meter)
    if isinstance(answer, Refusal) and answer.outcome is OutcomeClass.REHANDSHAKE:
        handshake = replace(handshake, app_key=secrets.token_bytes(KEY_BYTES))
        answer = await _ask_once(line, action, handshake, values, meter)
    return answer if isinstance(answer, Refusal) else (handshake, answer)


async def _ask_once(
    line: Line,
    action: str,
    handshake: Handshake,
    values: Callable[[Handshake, Certificate | None], Values],
    meter: Meter,
) -> Answered | Refusal:
    if not STYLES[handshake.style].needs_certificate:
        return await line.ask(action, values(handshake, None), meter)
    return await line.ask_sealed(action, lambda certificate: values(handshake, certificate), meter)
