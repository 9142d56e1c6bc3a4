"""What must hold of commands and retries. Pure, as `audit_checks`."""

from collections.abc import Iterator

from sync_contracts.units import ATTEMPTS_PER_ROUND, FactType, round_of

from tests.support.audit_checks import Address, Evidence

_ENDINGS = frozenset({FactType.RETRY, FactType.SUCCEEDED, FactType.FAILED, FactType.CANCELLED})


def committed_commands_had_their_effect(evidence: Evidence) -> Iterator[str]:
    """I7: a command below a committed offset gave an event, or its unit has ended or is in a later round."""
    units = dict(evidence.units())
    for command in evidence.committed_commands:
        address: Address = (command.bucket, command.page, command.ci, command.mi)
        unit = units.get(address)
        if unit is None or unit.terminal or round_of(unit.a) > round_of(command.attempt):
            continue
        said = {fact.type for fact in evidence.facts.get(address, ()) if fact.attempt == command.attempt}
        if not said & _ENDINGS:
            yield f"I7 {address}: attempt {command.attempt} is committed without an effect, the unit is {unit.s}"


def retried_units_end_by_their_own_command(evidence: Evidence) -> Iterator[str]:
    """I12: what obtained data or a verdict in a later round was commanded in that round."""
    issued = {(c.bucket, c.page, c.ci, c.mi, c.attempt) for c in evidence.commands}
    for address, unit in evidence.units():
        ran = unit.s in {"S", "F"} and unit.a % ATTEMPTS_PER_ROUND
        if ran and round_of(unit.a) and (*address, unit.a) not in issued:
            yield f"I12 {address}: {unit.s} in attempt {unit.a}, which nobody commanded"


def selected_units_are_reopened(evidence: Evidence) -> Iterator[str]:
    """I13: as many units as a retry selected are in its round or a later one, once the bucket has ended."""
    for bucket in evidence.buckets.values():
        if bucket["status"] == "RUNNING":
            continue
        rounds = [round_of(unit.a) for page in evidence.pages_of(bucket["_id"]) for row in page.rows for unit in row]
        for entry in bucket.get("retries", ()):
            reopened = sum(found >= entry["round"] for found in rounds)
            if reopened < entry["n"]:
                yield f"I13 {bucket['_id']}: round {entry['round']} selected {entry['n']}, reopened are {reopened}"


COMMAND_CHECKS = (committed_commands_had_their_effect, retried_units_end_by_their_own_command)
"""For a run whose commands are in a topic."""
ROUND_CHECKS = (selected_units_are_reopened,)
