"""Scenario scripts: small YAML that is checked before anything is played."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from portal_sandbox.__main__ import main
from portal_sandbox.calls import Call
from portal_sandbox.faults import Effect
from portal_sandbox.script import BadScript, clear, parse_script, play, read_script

from tests.unit.sandbox.books import Books, number

SCRIPTS = Path(__file__).parents[3] / "deploy" / "sandbox" / "scripts"
TEXT = f"""
name: example
about: anything
clock: {{seconds: 3600}}
taxpayers:
  {number()}: {{twob: empty, notices: 3}}
scenarios:
  first:
    match: {{family: gstr1, action: CDNR, period: 092026}}
    times: 2
    effect: {{kind: code, code: RET12501}}
  second:
    match: {{gstin: {number()}}}
    effect: {{kind: delay, delay_ms: 50}}
faults:
  error_ratio: 0.5
  maintenance: {{from: 2026-12-01T00:00:00+05:30, to: 2026-12-01T06:00:00Z}}
  surge: {{days: [11, 20], factor: 2}}
rates: {{gsp_per_s: 5, retry_after: true}}
"""


def test_script_sets_the_whole_stage() -> None:
    books = Books()
    portal = books.portal
    before_s, usual = portal.clock.seconds(), portal.throttle.limits
    play(parse_script(TEXT), portal)
    assert portal.clock.seconds() - before_s == 3600
    account = portal.data.account(number())
    assert (account.twob, account.notices) == ("empty", 3)
    assert portal.faults.state.error_ratio == 0.5
    assert portal.faults.state.surge is not None
    assert portal.faults.state.surge.days == (11, 20)
    assert portal.faults.state.maintenance is not None
    assert portal.faults.state.maintenance.end == datetime(2026, 12, 1, 6, tzinfo=UTC)
    assert (portal.throttle.limits.gsp_per_s, portal.throttle.limits.retry_after) == (5, True)
    assert portal.throttle.limits.gsp_burst == usual.gsp_burst
    call = Call("taxpayer", "CDNR", number(), family="gstr1", period="092026")
    assert [portal.scenarios.take(call) for _ in range(3)] == [
        *[Effect("code", "RET12501")] * 2, Effect("delay", delay_ms=50),
    ]  # fmt: skip
    clear(portal)
    assert (portal.scenarios.all(), portal.faults.state.error_ratio, portal.throttle.limits) == ([], 0, usual)


def test_a_new_script_replaces_the_one_before() -> None:
    portal = Books().portal
    play(parse_script(TEXT), portal)
    play(parse_script("name: calm"), portal)
    assert (portal.script, portal.scenarios.all(), portal.faults.state.error_ratio) == ("calm", [], 0)
    assert portal.data.account(number()).twob == "empty"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "object"),
        ("about: nameless", "name"),
        ("name: [", "while parsing"),
        ("name: x\nscenario: {}", "scenario"),
        ("name: x\nscenarios: {a: {effect: {kind: explode}}}", "explode"),
        ("name: x\nscenarios: {a: {match: {gstn: y}, effect: {kind: reset}}}", "gstn"),
        ("name: x\nscenarios: {a: {match: {gstin: 27AAA}, effect: {kind: reset}}}", "27AAA"),
        ("name: x\ntaxpayers: {27AAA: {twob: empty}}", "27AAA"),
        ("name: x\nrates: {gsp_per_s: many}", "gsp_per_s"),
        ("name: !!python/object/apply:os.getcwd []", "str"),
        ("name: x" + " " * (256 << 10), "bytes"),
    ],
)
def test_what_is_no_script(text: str, reason: str) -> None:
    with pytest.raises(BadScript, match=reason):
        parse_script(text)


def test_clock_of_a_script_moves_forward_only() -> None:
    books = Books()
    with pytest.raises(BadScript, match="forward"):
        play(parse_script("name: x\nclock: {to: 2020-01-01T00:00:00Z}\nrates: {gsp_per_s: 1}"), books.portal)
    assert books.portal.script is None


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_scripts_of_the_repository_play(path: Path) -> None:
    script = read_script(path)
    assert script.name == path.stem
    assert script.about
    portal = Books().portal
    play(script, portal)
    assert portal.script == script.name


def test_command_checks_a_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "one.yaml"
    path.write_text("name: one")
    assert main(["check", str(path)]) == 0
    assert capsys.readouterr().out == "one: fine\n"
    path.write_text("name: one\ntime: 3")
    assert main(["check", str(path)]) == 2
    assert main(["check", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml" in capsys.readouterr().err


def test_command_prints_the_shapes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shapes"]) == 0
    lines: list[Any] = capsys.readouterr().out.splitlines()
    assert len(lines) == 51
    assert lines[0].startswith("shape,gstin,")
