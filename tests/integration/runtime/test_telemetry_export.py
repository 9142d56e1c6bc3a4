"""Spans leave over OTLP/HTTP, filtered; a collector that is away costs nothing but its spans."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from local_stack.ports import free_ports
from sync_runtime.settings import RuntimeSettings
from sync_runtime.telemetry import Telemetry

from tests.support.eventually import PATIENCE_S


class Collector(HTTPServer):
    """Keeps what was posted."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Posted)
        self.received: list[tuple[str, bytes]] = []


class Posted(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append((self.path, body))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _telemetry(port: int) -> Telemetry:
    settings = RuntimeSettings(instance_id="w-0", otlp_endpoint=f"http://127.0.0.1:{port}", trace_sample_ratio=1)
    return Telemetry(settings, "sync-worker")


def test_spans_are_exported_at_the_latest_when_closed(collector: Collector) -> None:
    telemetry = _telemetry(collector.server_port)
    with telemetry.batch_span("process events", attributes={"sync.units": 3, "gstin": "27ABCPE1234F1Z5"}):
        pass
    telemetry.close()

    ((path, body),) = collector.received
    assert path == "/v1/traces"
    assert b"process events" in body
    assert b"sync.units" in body
    assert b"sync-worker" in body
    assert b"ABCPE1234F" not in body


def test_a_collector_that_is_away_does_not_hold_up_the_end() -> None:
    (nothing_here,) = free_ports(1)
    telemetry = _telemetry(nothing_here)
    with telemetry.batch_span("process events"):
        pass
    closing = threading.Thread(target=telemetry.close)
    closing.start()
    closing.join(PATIENCE_S)

    assert not closing.is_alive()
