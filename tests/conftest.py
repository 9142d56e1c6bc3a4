"""Fixtures of every layer."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.support.servers"]
TESTS = Path(__file__).parent

# Never a verdict on time: a loaded machine makes examples slow, not wrong. The same examples in every run, so that a
# change is judged by what it changes.
settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What shares a product or servers stays in one process, in its order, when several run tests side by side."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))


def _group(item: pytest.Item) -> str:
    shared = [name for name in ("running", "narrow") if name in getattr(item, "fixturenames", ())]
    folder, *_ = item.path.relative_to(TESTS).parts
    return f"{folder}-{shared[0]}" if shared else item.nodeid.split("::")[0]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI nothing may be skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
