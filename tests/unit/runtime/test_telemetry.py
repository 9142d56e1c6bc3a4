import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from sync_runtime import semconv
from sync_runtime.settings import RuntimeSettings
from sync_runtime.telemetry import Telemetry, context_of, inject, link_of, sampled

SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = "00-1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-00"
MALFORMED = ["", "x", SAMPLED[:-1], SAMPLED + "0", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "é" * 55]


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def _telemetry(exporter: InMemorySpanExporter | None, ratio: float) -> Telemetry:
    return Telemetry(RuntimeSettings(instance_id="w-0", trace_sample_ratio=ratio), "sync-worker", exporter=exporter)


def test_the_flag_is_read_from_text_and_header_bytes() -> None:
    assert sampled(SAMPLED)
    assert sampled(SAMPLED.encode())
    assert not sampled(UNSAMPLED)
    assert not sampled(UNSAMPLED.encode())
    assert not sampled(None)


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_traceparent_is_no_link(text: str) -> None:
    assert link_of(text) is None
    assert context_of(text.encode()) is None


def test_a_message_carries_the_span_it_was_sent_in(exporter: InMemorySpanExporter) -> None:
    telemetry = _telemetry(exporter, 1.0)

    with telemetry.batch_span("send dispatch"):
        carried = inject()

    (span,) = exporter.get_finished_spans()
    assert span.context is not None
    assert carried == f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-01"
    assert inject() is None


def test_without_an_exporter_messages_still_carry_an_unsampled_context() -> None:
    telemetry = _telemetry(None, 1.0)

    with telemetry.batch_span("send dispatch", [SAMPLED]):
        carried = inject()

    assert carried is not None
    assert context_of(carried) is not None
    assert not sampled(carried)
    assert not telemetry.enabled


def test_a_batch_span_links_sampled_causes_only_and_each_once(exporter: InMemorySpanExporter) -> None:
    telemetry = _telemetry(exporter, 0.0)

    with telemetry.batch_span("process events", [UNSAMPLED, SAMPLED.encode(), None, SAMPLED, "junk"]):
        pass

    (span,) = exporter.get_finished_spans()
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [SAMPLED[3:35]]
    assert span.parent is None


def test_a_batch_without_sampled_causes_is_not_recorded(exporter: InMemorySpanExporter) -> None:
    with _telemetry(exporter, 0.0).batch_span("process events", [UNSAMPLED, None]):
        pass

    assert exporter.get_finished_spans() == ()


def test_a_batch_that_fails_says_so_without_a_text(exporter: InMemorySpanExporter) -> None:
    telemetry = _telemetry(exporter, 1.0)

    with pytest.raises(ValueError, match="27ABCPE1234F1Z5"), telemetry.batch_span("process events"):
        raise ValueError("client 27ABCPE1234F1Z5")

    (span,) = exporter.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert dict(span.attributes or {}) == {"error.type": "ValueError"}
    assert span.events == ()


def test_an_ordinary_unsampled_unit_leaves_no_span(exporter: InMemorySpanExporter) -> None:
    _telemetry(exporter, 0.0).unit_span(UNSAMPLED, "process gstr2b", start_ms=1_000, end_ms=2_000)

    assert exporter.get_finished_spans() == ()


@pytest.mark.parametrize(
    ("traceparent", "error", "slow", "because"),
    [(UNSAMPLED, "PORTAL_ERROR", False, "error"), (UNSAMPLED, None, True, "slow"), (SAMPLED, None, False, None)],
)
def test_failed_slow_and_sampled_units_are_kept_under_their_trace(
    exporter: InMemorySpanExporter, traceparent: str, error: str | None, slow: bool, because: str | None
) -> None:
    _telemetry(exporter, 0.0).unit_span(
        traceparent, "process gstr2b", start_ms=1_000, end_ms=2_500, error=error, slow=slow, attributes={"sync.rows": 3}
    )

    (span,) = exporter.get_finished_spans()
    assert span.context is not None
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}-{span.parent.span_id:016x}" == traceparent[3:52]
    assert (span.start_time, span.end_time) == (1_000_000_000, 2_500_000_000)
    assert (span.attributes or {}).get(semconv.KEPT_BECAUSE) == because
    assert (span.attributes or {}).get("error.type") == error
    assert (span.attributes or {})["sync.rows"] == 3


def test_an_unknown_attribute_is_dropped_and_an_identifier_in_a_known_one_too(exporter: InMemorySpanExporter) -> None:
    with _telemetry(exporter, 1.0).batch_span(
        "process 27ABCPE1234F1Z5", attributes={"gstin": "27ABCPE1234F1Z5"}
    ) as span:
        span.set_attribute("added.later", "x")
        span.set_attribute(semconv.MODULE, "gstr2b")
        span.set_attribute(semconv.CODE, "ABCPE1234F")
        span.add_event("exception", {"exception.message": "ABCPE1234F", "exception.type": "ValueError"})

    (exported,) = exporter.get_finished_spans()
    assert dict(exported.attributes or {}) == {"sync.module": "gstr2b", "sync.code": "[redacted]"}
    assert [dict(event.attributes or {}) for event in exported.events] == [{"exception.type": "ValueError"}]
    assert "ABCPE" not in exported.to_json()


def test_the_allow_list_holds_names_of_the_conventions_and_our_own_only() -> None:
    prefixes = ("messaging.", "http.", "db.", "error.", "exception.", "sync.")

    assert semconv.KEPT_BECAUSE in semconv.ALLOWED
    assert [name for name in semconv.ALLOWED if not name.startswith(prefixes)] == []
