"""Lanes: one run per client, log order within a client, tenants in turn."""

from hypothesis import given
from hypothesis import strategies as st
from sync_worker.delivery import Delivery
from sync_worker.intake.lanes import Lanes

from tests.unit.worker import records


def delivery(tenant: str, client: str, offset: int, partition: int = 0) -> Delivery:
    return records.delivery(records.command(tenant, client), offset, partition)


def test_a_client_runs_one_unit_at_a_time_in_log_order() -> None:
    lanes = Lanes()
    for offset in range(3):
        lanes.offer(delivery("t", "c", offset))
    first = lanes.take()
    assert first is not None
    assert first.offset == 0
    assert lanes.take() is None
    lanes.release(first)
    second = lanes.take()
    assert second is not None
    assert second.offset == 1


def test_tenants_take_turns_however_many_clients_wait() -> None:
    lanes = Lanes()
    for offset in range(50):
        lanes.offer(delivery("large", f"c{offset}", offset))
    lanes.offer(delivery("small", "c", 50))
    served = [lanes.take(), lanes.take()]
    assert {d.command.tenant for d in served if d} == {"large", "small"}


def test_tenants_are_served_by_the_weights_of_their_plans() -> None:
    lanes = Lanes()
    for offset in range(90):
        lanes.offer(records.delivery(records.command("single", f"c{offset}"), offset))
        lanes.offer(records.delivery(records.command("double", f"c{offset}", weight=2.0), offset))
    served = [lanes.take() for _ in range(90)]
    assert sum(taken.command.tenant == "double" for taken in served if taken) in range(57, 64)


def test_a_revoked_partition_loses_what_is_queued_and_keeps_what_runs() -> None:
    lanes = Lanes()
    lanes.offer(delivery("t", "c", 0, partition=1))
    lanes.offer(delivery("t", "c", 1, partition=1))
    lanes.offer(delivery("t", "d", 0, partition=2))
    running = lanes.take()
    assert running is not None
    lanes.drop([1])
    kept = lanes.take()
    assert kept is not None
    assert kept.partition == 2
    assert lanes.take() is None
    lanes.offer(delivery("t", "c", 1, partition=1))
    assert lanes.take() is None, "the client still runs"
    lanes.release(running)
    assert lanes.take() is not None


def unit_of(bucket: str, module: str, offset: int) -> Delivery:
    return records.delivery(records.command(bucket=bucket, module=module), offset)


def test_f08_a3_a_unit_that_another_bucket_fetches_needs_no_place_and_names_that_bucket() -> None:
    lanes = Lanes()
    lanes.offer(unit_of("b_1", "gstr2b", 0))
    fetching = lanes.take()
    lanes.offer(unit_of("b_2", "gstr2b", 1))
    attached = lanes.take()
    assert fetching is not None
    assert attached is not None
    assert (attached.offset, attached.attached_to) == (1, "b_1")
    lanes.release(attached)
    lanes.offer(unit_of("b_1", "notices", 2))
    assert lanes.take() is None, "the end of an attached unit does not free the client"
    lanes.release(fetching)
    assert lanes.take() is not None


def test_only_an_earlier_command_of_another_bucket_for_the_same_data_attaches() -> None:
    lanes = Lanes()
    lanes.offer(unit_of("b_1", "gstr2b", 0))
    lanes.offer(unit_of("b_1", "gstr2b", 1))
    lanes.offer(unit_of("b_2", "notices", 2))
    taken = []
    while (delivery := lanes.take()) is not None:
        taken.append(delivery.attached_to)
        lanes.release(delivery)
    assert taken == [None, None, None]


def test_a_revoked_partition_takes_its_attached_units_along() -> None:
    lanes = Lanes()
    lanes.offer(unit_of("b_1", "gstr2b", 0))
    lanes.offer(unit_of("b_2", "gstr2b", 1))
    lanes.drop([0])
    assert lanes.take() is None
    assert lanes.waiting == 0


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.booleans()), max_size=60))
def test_everything_offered_runs_once_in_order_of_its_client(steps: list[tuple[str, str, bool]]) -> None:
    lanes = Lanes()
    running: list[Delivery] = []
    done: dict[tuple[str, str], list[int]] = {}
    for offset, (tenant, client, end_one) in enumerate(steps):
        lanes.offer(delivery(tenant, client, offset))
        if end_one and running:
            lanes.release(running.pop(0))
        while taken := lanes.take():
            assert taken.client not in {d.client for d in running}
            running.append(taken)
            done.setdefault(taken.client, []).append(taken.offset)
    while running:
        lanes.release(running.pop(0))
        while taken := lanes.take():
            running.append(taken)
            done.setdefault(taken.client, []).append(taken.offset)
    assert sorted(o for offsets in done.values() for o in offsets) == list(range(len(steps)))
    assert all(offsets == sorted(offsets) for offsets in done.values())
    assert lanes.waiting == lanes.running == 0
