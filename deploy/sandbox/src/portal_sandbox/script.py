"""Scenario scripts: one small YAML file says what the portal does wrong, and to whom."""

from pathlib import Path

import msgspec
import yaml

from portal_sandbox.control_bodies import Advance, LimitsChange, TaxpayerChange
from portal_sandbox.faults import Effect, FaultState, Match, Scenario
from portal_sandbox.identifiers import is_gstin
from portal_sandbox.portal import Portal

MAX_BYTES = 256 << 10


class BadScript(ValueError):
    """The text is no script; the message says where and why."""


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One scripted fault: which calls, how often (for ever without `times`), and what happens to them."""

    effect: Effect
    match: Match = Match()
    times: int | None = None


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`scenarios` by name, first match wins; everything but the name is optional."""

    name: str
    about: str = ""
    clock: Advance | None = None
    taxpayers: dict[str, TaxpayerChange] = {}
    scenarios: dict[str, Step] = {}
    faults: FaultState = FaultState()
    rates: LimitsChange = LimitsChange()


def parse_script(text: bytes | str) -> Script:
    """Raises BadScript. All scalars are read as text first, so that a period keeps its leading zero."""
    if len(text) > MAX_BYTES:
        raise BadScript(f"a script has at most {MAX_BYTES} bytes")
    try:
        tree = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - builds texts, lists and mappings only
        script = msgspec.convert(tree, Script, strict=False)
    except (yaml.YAMLError, msgspec.ValidationError, RecursionError) as refused:
        raise BadScript(str(refused)) from refused
    matched = [step.match.gstin for step in script.scenarios.values() if step.match.gstin is not None]
    strangers = [gstin for gstin in (*script.taxpayers, *matched) if not is_gstin(gstin)]
    if strangers:
        raise BadScript(f"not a well-formed GSTIN: {', '.join(strangers)}")
    return script


def read_script(path: Path) -> Script:
    """Raises BadScript, also where the file cannot be read."""
    try:
        return parse_script(path.read_bytes())
    except OSError as refused:
        raise BadScript(f"{path.name}: {refused.strerror}") from refused


def play(script: Script, portal: Portal) -> None:
    """Scenarios, faults and limits of before are gone; accounts keep what the script does not name.

    Raises BadScript when the clock would go back.
    """
    if script.clock is not None:
        try:
            portal.clock.advance(script.clock.step_s(portal.clock.seconds()))
        except ValueError as refused:
            raise BadScript(str(refused)) from refused
    clear(portal)
    now_s = portal.clock.seconds()
    for gstin, change in script.taxpayers.items():
        change.apply(portal.sessions, portal.data.account(gstin), now_s)
    for name, step in script.scenarios.items():
        portal.scenarios.put(Scenario(step.effect, step.match, step.times, id=name))
    portal.faults.change(script.faults)
    portal.throttle.change(script.rates.over(portal.usual_limits))
    portal.script = script.name


def clear(portal: Portal) -> None:
    """Back to the profile: no scenario, no fault, the usual limits."""
    portal.scenarios.clear()
    portal.faults.change(FaultState())
    portal.throttle.change(portal.usual_limits)
    portal.script = None
