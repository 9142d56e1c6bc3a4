"""Presets, modules and reasons."""

from typing import Any

from sync_contracts.catalogue import ModuleInfo, Preset
from sync_contracts.reasons import Reason

from bucket_api.http.schemas.kinds import Answer


class PresetAnswer(Answer):
    """A named set of modules."""

    preset: str
    name: str
    modules: list[str]


class Presets(Answer):
    """All presets."""

    items: list[PresetAnswer]


class Calls(Answer):
    """Portal calls per client and period: the least, and a working value for the usual."""

    least: int
    usual: int


class ModuleAnswer(Answer):
    """What can be asked for. `default_period` is today's for a monthly filer, None for live data."""

    module: str
    name: str
    short_name: str
    client_kind: str
    period_kind: str
    default_period: str | None
    default_period_rule: str
    needs_session: bool
    calls: Calls
    freshness_target: str
    access_form: str
    not_applicable_for: list[str]
    cooldown_s: int
    release: str


class Modules(Answer):
    """All modules, in the order of the columns."""

    items: list[ModuleAnswer]


class ReasonAnswer(Answer):
    """Why a unit is as it is, who makes the next step, and which."""

    reason: str
    states: list[str]
    title: str
    text: str
    owner: str
    retry: str
    action: str
    gap: bool


class Reasons(Answer):
    """All reasons."""

    items: list[ReasonAnswer]


def preset_answer(preset: Preset) -> PresetAnswer:
    """As it is told."""
    return PresetAnswer(preset=preset.preset, name=preset.name, modules=[m.value for m in preset.modules])


def module_answer(info: ModuleInfo, default_period: str | None, cooldown_s: int) -> ModuleAnswer:
    """As it is told."""
    plain: dict[str, Any] = {
        name: getattr(info, name)
        for name in (
            "name",
            "short_name",
            "period_kind",
            "needs_session",
            "freshness_target",
            "access_form",
        )
    }
    return ModuleAnswer(
        module=info.module.value,
        client_kind="gstin",
        default_period=default_period,
        default_period_rule=info.default_period,
        calls=Calls(least=info.least_calls, usual=info.usual_calls),
        not_applicable_for=sorted(kind.value for kind in info.not_applicable_for),
        cooldown_s=cooldown_s,
        release="R1",
        **plain,
    )


def reason_answer(reason: Reason) -> ReasonAnswer:
    """As it is told."""
    return ReasonAnswer(
        reason=reason.reason,
        states=list(reason.states),
        title=reason.title,
        text=reason.text,
        owner=reason.owner,
        retry=reason.retry,
        action=reason.action,
        gap=reason.gap,
    )
