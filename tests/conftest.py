"""Fixtures of every layer."""

import os

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.support.servers", "tests.support.side_by_side"]

# Never a verdict on time: a loaded machine makes examples slow, not wrong. The same examples in every run, so that a
# change is judged by what it changes.
settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI nothing may be skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
