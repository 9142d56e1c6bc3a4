"""The reasons that a user sees: why a unit is in its state, who makes the next step, and which.

One table of rules and one of texts; the codes of messages lead here.
"""

from typing import Final, Literal

from msgspec import Struct

from sync_contracts.outcomes import COUNTED_RETRIES, FINAL_AS_THEMSELVES, UNCOUNTED_RETRIES, WITH_DATA, Code

State = Literal[
    "queued",
    "waiting",
    "running",
    "retrying",
    "done",
    "not_available",
    "needs_action",
    "failed",
    "skipped",
    "cancelled",
]
Owner = Literal["taxpayer", "firm", "portal", "us", "none"]
RetryRule = Literal["auto", "after_action", "by_user", "never"]


class Reason(Struct, frozen=True):
    """Why a unit is in its state, who makes the next step, and what that step is.

    `action` is the one button that belongs to the reason; `gap`: a unit that ends so counts as a gap.
    """

    reason: str
    states: tuple[State, ...]
    owner: Owner
    retry: RetryRule
    action: str
    title: str
    text: str
    gap: bool = False


_TEXTS: Final[dict[str, tuple[str, str]]] = {
    "rate_limited": ("Waiting for its turn", "The portal's rate is used up; the next try is scheduled."),
    "client_serial": ("Another fetch of this client runs", "The portal is asked for one thing of a client at a time."),
    "attached": (
        "Another bucket is fetching this",
        "The same data is fetched for another bucket; its result is used here too.",
    ),
    "portal_preparing": (
        "The portal is preparing the file",
        "The portal builds a large file; we ask again when it said it would be ready.",
    ),
    "portal_maintenance": (
        "Portal under maintenance",
        "The portal announced maintenance; work goes on by itself afterwards.",
    ),
    "line_down": ("Portal line down", "The line to the portal is down; work goes on by itself when it is back."),
    "session_cap": (
        "Too many sessions at the portal",
        "This portal user has too many open sessions; close one or wait.",
    ),
    "paused": ("Paused", "The bucket is paused."),
    "interrupted": ("Interrupted, starts again", "The attempt did not end in time and is started again."),
    "portal_error": ("Portal error, trying again", "The portal answered with an error; the next try is scheduled."),
    "integrity_mismatch": (
        "File failed its checksum",
        "What came does not match its own checksum or the client asked for; it was not stored.",
    ),
    "not_yet": ("Not on the portal yet", "The portal has not published this yet."),
    "precondition_unmet": (
        "An earlier return is missing",
        "The portal publishes this only after an earlier return is filed.",
    ),
    "otp_required": ("OTP needed", "The portal wants a one-time password from the taxpayer."),
    "access_disabled": (
        "API access is switched off",
        "API access is off for this client: on the portal, My Profile, Manage API access.",
    ),
    "consent_expired": ("Permission has ended", "The taxpayer's permission has ended and must be given again."),
    "credential_invalid": ("Wrong user name", "The portal refused the user name on file."),
    "password_expired": (
        "Portal password expired",
        "The portal password has expired and must be renewed on the portal.",
    ),
    "account_locked": ("Portal account locked", "The portal account is locked and must be released on the portal."),
    "human_step": ("Captcha or KYC step needed", "The portal wants a step that only a person can do."),
    "retries_exhausted": (
        "Portal error, retries used up",
        "The portal answered with an error each time; the last reason is kept.",
    ),
    "section_missing": (
        "A section is missing",
        "Some parts did not come; the others are kept, only the missing ones are asked for again.",
    ),
    "totals_mismatch": ("Totals differ from the portal's", "What came does not add up to the portal's own totals."),
    "service_config": ("Service problem, not yours", "Our access to the portal is misconfigured."),
    "request_rejected": ("The portal refused our request", "The portal called our request malformed."),
    "crash_loop": ("Our worker could not process it", "Processing this unit ended our worker repeatedly."),
    "deadline_passed": ("Not finished within 72 hours", "The bucket's time was over before this unit could end."),
    "unknown": ("Unknown answer", "The portal answered with a code that is not known yet."),
    "not_applicable": (
        "Does not apply to this client",
        "This module does not exist for this kind of registration or period.",
    ),
    "client_inactive": ("Client is inactive", "The client is marked inactive in the Client Master."),
    "no_access": ("No portal user on file", "No portal user is on file for this client."),
    "login_guard": (
        "Stopped to avoid a lock-out",
        "Log-ins were refused; we stopped so that the account is not locked.",
    ),
    "suspended": (
        "Suspended in its schedule",
        "It failed in its schedule for a week and is left out until the access changes or it is re-armed.",
    ),
    "cancelled_by_user": ("Cancelled", "Stopped by a person."),
}


def _rule(
    reason: str, states: State | tuple[State, ...], owner: Owner, retry: RetryRule, action: str, *, gap: bool = False
) -> Reason:
    shown = states if isinstance(states, tuple) else (states,)
    return Reason(reason, shown, owner, retry, action, *_TEXTS[reason], gap)


_RULES: Final = (
    _rule("rate_limited", "waiting", "us", "auto", "wait"),
    _rule("client_serial", "waiting", "us", "auto", "wait"),
    _rule("attached", "waiting", "none", "auto", "open_bucket"),
    _rule("portal_preparing", "waiting", "portal", "auto", "wait"),
    _rule("portal_maintenance", "waiting", "portal", "auto", "wait"),
    _rule("line_down", "waiting", "portal", "auto", "wait"),
    _rule("session_cap", "waiting", "firm", "auto", "wait"),
    _rule("paused", "waiting", "firm", "by_user", "resume"),
    _rule("interrupted", "waiting", "us", "auto", "wait"),
    _rule("portal_error", "retrying", "us", "auto", "wait"),
    _rule("integrity_mismatch", ("retrying", "failed"), "us", "by_user", "retry", gap=True),
    _rule("not_yet", "not_available", "portal", "auto", "wait_until"),
    _rule("precondition_unmet", "not_available", "firm", "after_action", "show_precondition"),
    _rule("otp_required", "needs_action", "taxpayer", "after_action", "request_otp", gap=True),
    _rule("access_disabled", "needs_action", "taxpayer", "after_action", "send_steps", gap=True),
    _rule("consent_expired", "needs_action", "taxpayer", "after_action", "send_steps", gap=True),
    _rule("credential_invalid", "needs_action", "firm", "after_action", "fix_credential", gap=True),
    _rule("password_expired", "needs_action", "taxpayer", "after_action", "send_steps", gap=True),
    _rule("account_locked", "needs_action", "taxpayer", "after_action", "send_steps", gap=True),
    _rule("human_step", "needs_action", "firm", "after_action", "do_step", gap=True),
    _rule("retries_exhausted", "failed", "portal", "by_user", "retry", gap=True),
    _rule("section_missing", "failed", "portal", "by_user", "retry", gap=True),
    _rule("totals_mismatch", "failed", "portal", "by_user", "retry", gap=True),
    _rule("service_config", "failed", "us", "by_user", "report", gap=True),
    _rule("request_rejected", "failed", "us", "never", "report", gap=True),
    _rule("crash_loop", ("retrying", "failed"), "us", "by_user", "report", gap=True),
    _rule("deadline_passed", "failed", "portal", "by_user", "retry", gap=True),
    _rule("unknown", ("retrying", "failed"), "us", "by_user", "report", gap=True),
    _rule("not_applicable", "skipped", "none", "never", "none"),
    _rule("client_inactive", "skipped", "firm", "after_action", "edit_client", gap=True),
    _rule("no_access", "skipped", "firm", "after_action", "fix_credential", gap=True),
    _rule("login_guard", "skipped", "firm", "after_action", "fix_credential", gap=True),
    _rule("suspended", "skipped", "firm", "after_action", "rearm", gap=True),
    _rule("cancelled_by_user", "cancelled", "firm", "by_user", "retry", gap=True),
)
REASONS: Final[dict[str, Reason]] = {rule.reason: rule for rule in _RULES}

_RENAMED: Final = {Code.PRECONDITION: "precondition_unmet"}


def reason_of(code: str | None, *, failed_by_limits: bool = False) -> Reason | None:
    """The reason that belongs to a stored code; None for a unit that needs no explanation (no code, or data obtained).

    `failed_by_limits`: the unit is final with a retry code; the user reads `retries_exhausted` unless it says more.
    """
    if code is None:
        return None
    known = Code(code)
    if known in WITH_DATA:
        return None
    if failed_by_limits and known in UNCOUNTED_RETRIES | COUNTED_RETRIES and known not in FINAL_AS_THEMSELVES:
        return REASONS["retries_exhausted"]
    return REASONS[_RENAMED.get(known, known.value.lower())]
