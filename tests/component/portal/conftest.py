"""The adapter against the sandbox in both of its styles."""

from collections.abc import AsyncIterator

import pytest

from tests.support.gsp_world import GspWorld, Style, gsp_world


@pytest.fixture(params=["passthrough", "managed"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[GspWorld]:
    style: Style = request.param
    async with gsp_world(style) as opened:
        yield opened
