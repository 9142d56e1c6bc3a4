"""The files of one token: where they are, each fetched once, and fresh links where one does not lead there any more."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from sync_contracts.outcomes import OutcomeClass

from sync_worker.modules.assumptions import MAX_FILES
from sync_worker.modules.canonical import Malformed
from sync_worker.modules.findings import is_of_section
from sync_worker.modules.kept_values import KeptValues
from sync_worker.modules.port import Call, FilePortal, Files, Refusal

LOOKS: Final = 2
"""A file that did not come whole is fetched once more, over fresh links: they end after about a day."""
_DAMAGED: Final = Refusal(OutcomeClass.INTEGRITY)


class FileSet:
    """Values read from the files of a section, in order. `read` raises `Malformed`."""

    def __init__(self, portal: FilePortal, kept: KeptValues, name: str, token: str, read: Callable[[Any], Any]) -> None:
        self._portal = portal
        self._kept = kept
        self._prefix = f"{name}.{sha256(token.encode()).hexdigest()[:8]}"
        self._read = read

    async def all(self, where: Call) -> list[Any] | Refusal:
        """Every file, those that an earlier attempt kept without a call. `where` asks for the links."""
        refusal = _DAMAGED
        for _ in range(LOOKS):
            files = await self._portal.files(where)
            if isinstance(files, Refusal):
                return files
            if not 0 < len(files.links) <= MAX_FILES:
                return _DAMAGED
            came = await self._download(files)
            if isinstance(came, list):
                return came
            if not is_of_section(came) or came.outcome is OutcomeClass.TRANSIENT:
                return came
            refusal = came
            await self._kept.load()
        return refusal

    async def _download(self, files: Files) -> list[Any] | Refusal:
        values: list[Any] = []
        for number, link in enumerate(files.links, 1):
            name = f"{self._prefix}.{number}-{len(files.links)}"
            kept = self._kept.value(name)
            if kept is not None:
                values.append(kept.value)
            else:
                answer = await self._portal.file(link, files.key)
                if isinstance(answer, Refusal):
                    return answer
                try:
                    value = self._read(answer.payload)
                except Malformed:
                    return _DAMAGED
                await self._kept.keep(name, value)
                values.append(value)
        return values
