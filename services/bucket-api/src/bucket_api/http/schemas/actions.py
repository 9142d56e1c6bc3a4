"""Acts on a bucket as they are asked for and told."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints
from sync_contracts.reasons import Owner, State
from sync_contracts.units import round_of

from bucket_api.buckets.actions import Action
from bucket_api.buckets.choosing import Choice
from bucket_api.buckets.controlling import Controlled
from bucket_api.buckets.counters import Reading, counters
from bucket_api.buckets.effects import Effect, control_done, told_by
from bucket_api.buckets.eligibility import IneligibleCode
from bucket_api.buckets.left_units import Left, why_left
from bucket_api.buckets.listing import Listed
from bucket_api.buckets.units import Layout, from_cell
from bucket_api.buckets.wishes import ControlKind
from bucket_api.http.schemas.kinds import Answer, Body, ClientId, Instant, ListOf, instant
from bucket_api.http.schemas.plans import MAX_IDS, Text
from bucket_api.refusal import FieldError, Refusal
from bucket_api.upstreams.durations import Basis, CallTime

Kind = Literal["retry", "cancel", "pause", "resume"]
Names = Annotated[list[Text], Field(max_length=100)]
UnitId = Annotated[str, StringConstraints(pattern=r"^u_(0|[1-9][0-9]{0,5})_(0|[1-9][0-9]{0,2})$")]


class ActionFilter(Body):
    """Which units. Values of one field mean OR, fields mean AND; `q`: part of a name, a GSTIN, a PAN or a reason."""

    states: list[State] = []
    reasons: Names = []
    owners: list[Owner] = []
    modules: Names = []
    columns: Annotated[list[Annotated[int, Field(ge=0, le=499)]], Field(max_length=60)] = []
    client_ids: Annotated[list[ClientId], Field(max_length=MAX_IDS)] = []
    unit_ids: Annotated[list[UnitId], Field(max_length=MAX_IDS)] = []
    tags: Names = []
    q: Text | None = None


class ActionBody(Body):
    """What is to be done. `filter` or `all` (every gap) with `retry` only; `preview`: of its dry run.

    `force`, with `retry` only: units whose data is younger than their cool-down are run, and fetched, again.
    """

    kind: Kind
    filter: ActionFilter | None = None
    all: bool = False
    force: bool = False
    preview: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] | None = None

    def refuse_misfit(self) -> None:
        """Raises `Refusal` for a field that the kind does not take."""
        whole = {"filter": self.filter is not None, "all": self.all, "preview": self.preview is not None}
        whole["force"] = self.force
        wrong = [name for name, given in whole.items() if given] if self.kind != "retry" else []
        detail = f"{self.kind} is for the whole bucket: it takes no filter, no preview, no force."
        if self.kind == "retry" and self.all and self.filter is not None:
            wrong, detail = ["all"], "Give either a filter or all."
        if wrong:
            errors = [FieldError(f"/{name}", "invalid", detail) for name in wrong]
            raise Refusal("validation_failed", detail, errors=errors)


class ActionCounts(Answer):
    """Units: those that were meant, those that the action can do something with, the others; and what came of it.

    Retry: `attempted` have begun, `succeeded` and `failed` have ended again. Cancel: `eligible` had not ended,
    `attempted` and `succeeded` are cancelled.
    """

    matched: int
    eligible: int
    ineligible: int
    attempted: int = 0
    succeeded: int = 0
    failed: int = 0


class Ineligible(Answer):
    """Units that a retry leaves, by what stands in the way."""

    code: IneligibleCode
    units: int


class Estimate(Answer):
    """What a retry usually takes. `seconds`: by the rate of the line now; `basis` says of which part of it.

    `whole_line`: no other firm is counted in, since the firm's part is not known while nothing of it runs.
    `rate_unknown`: `seconds` is null, because the line has no known rate.
    """

    calls: int
    seconds: int | None
    basis: Basis


class ActionAnswer(Answer):
    """An action. A dry run has no id and no effect. `run`: the one that a retry began."""

    id: str | None
    kind: Kind
    state: str
    done: bool
    run: int | None = None
    version: int
    preview: str | None = None
    counts: ActionCounts
    ineligible_by_reason: list[Ineligible] = []
    estimate: Estimate | None = None
    created_at: Instant | None
    created_by: str | None
    note: str | None
    force: bool = False
    filter: dict[str, Any] | None = None


Actions = ListOf[ActionAnswer]


class ResultAnswer(Answer):
    """A unit that an action was asked for, with its state now. `ineligible_code`: why it was left, if it was."""

    unit_id: str
    eligible: bool
    ineligible_code: IneligibleCode | None
    run: int
    client_id: str
    client_name: str | None
    module: str
    period: str | None
    state: State
    outcome: str | None
    reason: str | None


class Results(ListOf[ResultAnswer]):
    """Units of the version of the first page, those that the action left among them."""

    version: int


def result_answer(layout: Layout, listed: Listed, client: Mapping[str, Any] | None, left: Left) -> ResultAnswer:
    """State and outcome are those of the version of the list."""
    unit = listed.placed
    why = why_left(unit, layout, left)
    state, outcome = from_cell(listed.cell)
    module, period = layout.columns[unit.column]
    return ResultAnswer(
        unit_id=unit.id,
        eligible=why is None,
        ineligible_code=why,
        run=round_of(unit.unit.a) + 1,
        client_id=unit.client,
        client_name=client["name"] if client else None,
        module=module,
        period=period,
        state=state,
        outcome=outcome,
        reason=unit.reason.reason if unit.reason and unit.cell == listed.cell else None,
    )


def choice_answer(choice: Choice, time: CallTime) -> ActionAnswer:
    """A dry run of a retry. `time`: of its calls."""
    return ActionAnswer(
        id=None,
        kind="retry",
        state="dry_run",
        done=False,
        version=choice.version,
        preview=choice.preview,
        counts=ActionCounts(matched=choice.matched, eligible=choice.n, ineligible=choice.matched - choice.n),
        ineligible_by_reason=_left(choice.left_n),
        estimate=Estimate(calls=choice.calls, seconds=time.seconds, basis=time.basis),
        created_at=None,
        created_by=None,
        note=None,
    )


def retry_answer(action: Action, effect: Effect, version: int) -> ActionAnswer:
    """A retry with its effect so far."""
    facts = action.facts
    matched = facts.get("matched", facts["n"])
    return ActionAnswer(
        id=action.id,
        kind="retry",
        state="done" if effect.done else "running",
        done=effect.done,
        run=facts["round"] + 1,
        version=version,
        preview=facts.get("preview"),
        counts=ActionCounts(
            matched=matched,
            eligible=facts["n"],
            ineligible=matched - facts["n"],
            attempted=effect.attempted,
            succeeded=effect.succeeded,
            failed=effect.failed,
        ),
        ineligible_by_reason=_left(facts.get("left", {})),
        created_at=instant(action.at),
        created_by=action.by,
        note=action.note,
        force=bool(facts.get("force")),
        filter=facts["filter"],
    )


def control_answer(kind: ControlKind, controlled: Controlled, *, dry_run: bool = False) -> ActionAnswer:
    """A cancel, pause or resume as it is told."""
    action, bucket, reading = controlled.action, controlled.bucket, controlled.reading
    done = not dry_run and (action is None or control_done(action, bucket, reading))
    return ActionAnswer(
        id=action.id if action else None,
        kind=kind,
        state="dry_run" if dry_run else "done" if done else "running",
        done=done,
        version=reading.version,
        counts=control_counts(kind, told_by(action, bucket, reading) if action else reading),
        created_at=instant(action.at) if action else None,
        created_by=action.by if action else None,
        note=action.note if action else None,
    )


def control_counts(kind: ControlKind, reading: Reading) -> ActionCounts:
    """By the numbers of now: a cancelled unit was one that could be stopped."""
    count = counters(reading.shown)
    stopped = count.cancelled if kind == "cancel" else 0
    eligible = count.total - count.final + stopped
    return ActionCounts(
        matched=count.total,
        eligible=eligible,
        ineligible=count.total - eligible,
        attempted=stopped,
        succeeded=stopped,
    )


def _left(left: Mapping[Any, int]) -> list[Ineligible]:
    return [Ineligible(code=code, units=units) for code, units in sorted(left.items(), key=lambda item: -item[1])]
