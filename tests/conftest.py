"""Fixtures of every layer."""

import os

import pytest

pytest_plugins = ["tests.support.servers"]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI nothing may be skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
