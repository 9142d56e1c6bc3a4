"""Names that look like markup are shown as they are."""

import pytest
from rich.console import Console, RenderableType
from syncbucket_cli.app import started_line
from syncbucket_cli.context import make_context
from syncbucket_cli.tables import client_table, record, unit_table

NAME = "[bold red]Foo[/bold red] [/bar] Ltd"
CLIENT = {
    "id": "c_1",
    "gstin": "09FGTRP0787R1ZT",
    "name": NAME,
    "filing_frequency": "monthly",
    "status": "active",
    "tags": [NAME],
    "access": {"ready": True, "reason": None},
}
UNIT = {
    "id": "u_0_0",
    "client_name": NAME,
    "gstin": "09FGTRP0787R1ZT",
    "module": "gstr2b",
    "period": "2026-10",
    "state": "done",
    "outcome": "changed",
    "reason": None,
    "data": {"rows": 3},
}
BUCKET = {"id": "b_1", "created_by": {"name": NAME}, "counters": {"total": 1}}


def shown(console: Console, text: RenderableType) -> str:
    with console.capture() as captured:
        console.print(text, soft_wrap=isinstance(text, str))
    return captured.get()


@pytest.mark.parametrize(
    "text",
    [
        client_table([CLIENT]),
        unit_table([UNIT]),
        record([("name", NAME)]),
        started_line(BUCKET, reused=True),
    ],
    ids=["clients", "units", "record", "starter"],
)
def test_a_name_with_brackets_is_shown_as_it_is_on_both_streams(text: RenderableType) -> None:
    context = make_context("http://127.0.0.1:9", None, as_json=False)
    context.errors.width = 200
    assert NAME in shown(context.console, text)
    assert NAME in shown(context.errors, text)
