"""`python -m tests.chaos.second_aggregator`: the aggregator under another group's name, as a wrong deployment runs it.

It then owns every shard beside the one that owns it already, all the time.
"""

import sys
from typing import Final

from status_aggregator.app import METRICS, SERVICE, AggregatorService
from status_aggregator.settings import Settings
from sync_runtime import kafka
from sync_runtime.health import Health
from sync_runtime.logging import configure
from sync_runtime.metrics import Metrics
from sync_runtime.service import Background, serve
from sync_runtime.telemetry import Telemetry

GROUP: Final = "status-aggregators.mistaken"


def _build(settings: Settings) -> Background:
    health = Health(Metrics(METRICS))
    service = AggregatorService(settings, health, Telemetry(settings, SERVICE), group=GROUP)
    return Background(service, kafka.broker(settings), health)


def main() -> int:
    """Run the process; returns its exit code."""
    settings = Settings.from_environment()
    configure(settings, SERVICE)
    return serve(lambda: _build(settings), settings)


if __name__ == "__main__":
    sys.exit(main())
