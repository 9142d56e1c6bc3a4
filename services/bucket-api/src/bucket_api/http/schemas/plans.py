"""What a bucket is started with: selection, modules, period, options."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints
from sync_contracts.catalogue import MODULES, PRESETS, Module, modules_of

from bucket_api.buckets.planning import MAX_MODULES, Period
from bucket_api.buckets.selection import Selection, query_fields
from bucket_api.clients.filters import ClientFilter
from bucket_api.http.schemas.kinds import Body, ClientId, Name, Note
from bucket_api.refusal import FieldError, Refusal

MAX_IDS = 10_000
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
Values = Annotated[list[Text], Field(max_length=100)]
Month = Annotated[str, StringConstraints(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]


class FilterBody(Body):
    """Clients by their properties. Values of one field mean OR, fields mean AND."""

    q: Text | None = None
    tag: Values = []
    status: list[Literal["active", "inactive", "archived"]] = []
    state_code: Values = []
    filing_frequency: list[Literal["monthly", "quarterly", "composition", "unknown"]] = []

    def value(self) -> ClientFilter:
        """As the domain knows it."""
        return ClientFilter(
            q=self.q,
            tag=tuple(self.tag),
            status=tuple(self.status),
            state_code=tuple(self.state_code),
            filing_frequency=tuple(self.filing_frequency),
        )


class SelectionBody(Body):
    """All active clients, or those of a filter; `add` and `exclude` apply last."""

    all: bool = False
    filter: FilterBody | None = None
    add: Annotated[list[ClientId], Field(max_length=MAX_IDS)] = []
    exclude: Annotated[list[ClientId], Field(max_length=MAX_IDS)] = []

    def value(self) -> Selection:
        """As the domain knows it. Raises `selection_empty`."""
        wanted = self.filter.value() if self.filter else None
        if not self.all and not self.add and not (wanted and query_fields(wanted)):
            raise Refusal("selection_empty")
        return Selection(self.all, wanted, tuple(self.add), tuple(self.exclude))


class PeriodBody(Body):
    """Each module's own default, some months, or a financial year."""

    rule: Literal["default", "months", "financial_year"] = "default"
    months: Annotated[list[Month], Field(max_length=60)] = []
    financial_year: Annotated[str, StringConstraints(max_length=7)] | None = None

    def value(self) -> Period:
        """As the domain knows it."""
        return Period(self.rule, tuple(self.months), self.financial_year)


class OptionsBody(Body):
    """`force` ignores the cool-down; `auto_resume`: what is not on the portal yet is asked for again by itself."""

    force: bool = False
    auto_resume: bool = True


class PlanBody(Body):
    """What is to be fetched for whom."""

    selection: SelectionBody
    presets: Annotated[list[Text], Field(max_length=20)] = []
    modules: Annotated[list[Text], Field(max_length=40)] = []
    period: PeriodBody = PeriodBody()
    options: OptionsBody = OptionsBody()

    def chosen_modules(self) -> tuple[Module, ...]:
        """Union of presets and modules. Raises `modules_empty`, or `validation_failed` naming each unknown one."""
        errors = [
            FieldError(f"/presets/{n}", "unknown_value", "There is no such preset.")
            for n, preset in enumerate(self.presets)
            if preset not in PRESETS
        ]
        errors += [
            FieldError(f"/modules/{n}", "module_unknown", "There is no such module.")
            for n, module in enumerate(self.modules)
            if module not in MODULES
        ]
        if errors:
            raise Refusal("validation_failed", "A preset or module is unknown.", errors=errors)
        chosen = modules_of(tuple(self.presets), tuple(self.modules))
        if not chosen:
            raise Refusal("modules_empty")
        if len(chosen) > MAX_MODULES:
            raise Refusal("validation_failed", errors=[FieldError("/modules", "too_many", f"At most {MAX_MODULES}.")])
        return chosen

    def asked(self) -> dict[str, Any]:
        """The plan as given, for display."""
        return self.model_dump(mode="json", include={"selection", "presets", "modules", "period", "options"})


class BucketBody(PlanBody):
    """A bucket to be started."""

    name: Name | None = None
    note: Note | None = None
