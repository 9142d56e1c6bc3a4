"""Fixtures of every layer."""

pytest_plugins = ["tests.support.servers"]
