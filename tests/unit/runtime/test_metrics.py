import pytest
from sync_runtime.metrics import Metric, Metrics


def test_a_child_is_made_once() -> None:
    metrics = Metrics()

    first = metrics.counter("sync_records_published_total", "gst.sync.events.v1")

    assert metrics.counter("sync_records_published_total", "gst.sync.events.v1") is first
    assert metrics.counter("sync_records_published_total", "gst.sync.dlq.v1") is not first


def test_the_exposition_names_what_was_counted() -> None:
    metrics = Metrics((Metric("histogram", "sync_call_seconds", "Portal calls", ("module",)),))
    metrics.counter("sync_dead_letters_total", "gst.sync.events.v1", "SCHEMA").inc(3)
    metrics.histogram("sync_call_seconds", "gstr2b").observe(0.2)

    text = metrics.exposition().decode()

    assert 'sync_dead_letters_total{reason="SCHEMA",topic="gst.sync.events.v1"} 3.0' in text
    assert 'sync_call_seconds_bucket{le="0.25",module="gstr2b"} 1.0' in text


def test_two_processes_in_one_interpreter_do_not_share_a_registry() -> None:
    one, two = Metrics(), Metrics()
    one.gauge("sync_lag_records", "t").set(5)

    assert b'sync_lag_records{topic="t"}' not in two.exposition()


@pytest.mark.parametrize("label", ["tenant", "client", "bucket", "gstin"])
def test_a_label_with_many_values_is_refused(label: str) -> None:
    with pytest.raises(ValueError, match=label):
        Metrics((Metric("counter", "sync_x_total", "x", (label,)),))


def test_a_metric_outside_the_table_is_an_error() -> None:
    with pytest.raises(KeyError):
        Metrics().counter("sync_invented_total")


def test_the_kind_is_checked() -> None:
    with pytest.raises(TypeError, match="no counter"):
        Metrics().counter("sync_lag_records", "t")
