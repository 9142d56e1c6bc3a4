"""What the portal keeps over a restart, in one JSON file: its key pair, accounts, OTPs and sessions.

Everything in it is fictitious; still only its owner can read it. The clock, faults and the journal start anew.
"""

import asyncio
import contextlib
import os
from pathlib import Path

import msgspec

from portal_sandbox.portal import Portal
from portal_sandbox.sessions import Account

_EVERY_S = 3


class Kept(msgspec.Struct, frozen=True):
    """The file. `usernames` are those given by a change of an account: name -> GSTIN."""

    seed: int
    key_pem: str
    accounts: list[Account]
    usernames: dict[str, str]


class StateFile:
    """Reads the file at the start, writes it every few seconds and at the stop."""

    def __init__(self, path: Path, portal: Portal) -> None:
        self._path = path
        self._portal = portal
        self._written = b""

    def restore(self) -> None:
        """Continue from the file. None yet, one of another seed or one that cannot be read: the portal starts anew."""
        with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
            kept = msgspec.json.decode(self._path.read_bytes(), type=Kept)
            if kept.seed == self._portal.settings.seed:
                self._portal.keys.adopt(kept.key_pem, self._portal.clock.now())
                self._portal.sessions.adopt(kept.accounts, kept.usernames)

    def save(self) -> None:
        """Write what has changed, whole or not at all."""
        portal = self._portal
        sessions = portal.sessions
        kept = Kept(portal.settings.seed, portal.keys.private_pem(), sessions.accounts(), sessions.usernames())
        text = msgspec.json.encode(kept)
        if text == self._written:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - with a mode
            file.write(text)
        new.replace(self._path)
        self._written = text

    async def keep(self) -> None:
        """Saves until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            self.save()
