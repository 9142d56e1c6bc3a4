"""For pytest: `-p tests.mutants.plugin --mutant NAME` runs tests with one guard removed."""

import pytest

from tests.mutants.table import BY_NAME


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which guard to remove."""
    parser.addoption("--mutant", choices=sorted(BY_NAME))


def pytest_configure(config: pytest.Config) -> None:
    """Remove it for the whole session."""
    name = config.getoption("--mutant")
    if name:
        patch = pytest.MonkeyPatch()
        BY_NAME[name].remove(patch)
        config.add_cleanup(patch.undo)
