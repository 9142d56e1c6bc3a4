"""Which tests one of several test processes takes together (`pytest -n 2 --dist loadscope`)."""

from pathlib import PurePath

import pytest
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

NARROW = ("test_outage.py", "test_portal_budget.py")
"""Stories of `tests/e2e` that share the narrow product."""


class Together(LoadScopeScheduling):  # type: ignore[misc]
    """Tests that share a product stay in one process, in their order; so do the tests of a file."""

    def _split_scope(self, nodeid: str) -> str:
        return sharing(nodeid)


def sharing(nodeid: str) -> str:
    """What a test shares with others: the product of its folder, or what its file sets up."""
    file = PurePath(nodeid.partition("::")[0])
    match file.parts[:2]:
        case ("tests", "e2e") if file.name in NARROW:
            return "tests/e2e, narrow"
        case ("tests", ("e2e" | "chaos") as folder):
            return f"tests/{folder}"
    return str(file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Together | None:
    """Only where tests are to stay together; single tests are spread as usual."""
    return Together(config, log) if config.getvalue("dist") == "loadscope" else None
