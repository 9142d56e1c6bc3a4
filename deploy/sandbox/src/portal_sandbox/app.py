"""Composition root: the portal and its control port, over one state."""

import time
from collections.abc import Callable

from starlette.types import ASGIApp

from portal_sandbox.control import control_app
from portal_sandbox.portal import Portal
from portal_sandbox.portal_app import PortalApp
from portal_sandbox.settings import Settings


def create_apps(settings: Settings, *, real_time: Callable[[], float] = time.time) -> tuple[ASGIApp, ASGIApp]:
    """The portal and its control port, as ASGI apps over one new state."""
    return apps_over(Portal(settings, real_time=real_time))


def apps_over(portal: Portal) -> tuple[ASGIApp, ASGIApp]:
    """The portal and its control port, as ASGI apps over this state."""
    return PortalApp(portal), control_app(portal)
