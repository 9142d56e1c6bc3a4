"""Who is offered the one call of a half-open line."""

from bucket_api.dispatch.fairness import Line
from bucket_api.dispatch.gates import Gates
from bucket_api.dispatch.turns import Demand, Offer

LINE = "up_1"


def test_a_tenant_without_work_is_not_offered_the_look_of_a_half_open_line() -> None:
    gates = Gates(1.0, 100)
    gates.read_again([Line(10.0, id=LINE, probing=True)])
    idle = Demand("a", 50, [], line=LINE)
    full = Demand("b", 0, [Offer("b_b", [(0, 5)])], line=LINE)
    busy = Demand("c", 50, [Offer("b_c", [(0, 5)])], line=LINE)
    elsewhere = Demand("a", 50, [Offer("b_a", [(0, 5)])], line="up_2")

    offered = gates.throttled([idle, full, busy, elsewhere])

    assert [(each.tenant, each.line, each.room) for each in offered] == [("a", "up_2", 50), ("c", LINE, 1)]
