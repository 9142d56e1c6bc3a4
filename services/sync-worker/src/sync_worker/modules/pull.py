"""The sections of a unit, pulled one after another: each is kept as it comes, and one that fails leaves others alone.

Parts are joined by the portal's own marker; without one, within one session and for a limited time. A section that is
too large for an answer comes as files: the portal gives a token, the attempt ends, and the next one goes on with it.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sync_contracts.outcomes import OutcomeClass

from sync_worker.modules.assumptions import FILE_POLL_MINUTES, JOIN_MINUTES
from sync_worker.modules.canonical import Malformed
from sync_worker.modules.file_set import FileSet
from sync_worker.modules.findings import (
    Findings,
    Pulled,
    Waiting,
    continued,
    is_gap,
    is_of_section,
    minutes_ms,
    stamp_of,
)
from sync_worker.modules.kept_values import KeptValues
from sync_worker.modules.port import Call, FilePortal, Incomplete, Parts, Refusal, Request
from sync_worker.modules.sections import Section, file_token, joined

REQUESTS_OF_A_FILE: Final = 2
"""A file that the portal could not make is asked for once more."""
LOOKS: Final = 2
"""A section that disagrees with its totals is read once more."""
_DAMAGED: Final = Refusal(OutcomeClass.INTEGRITY)


class SectionPull:
    """One pull. `marker`: the portal's own sign of change, None where it gives none; `files`: asks where files are."""

    def __init__(
        self,
        request: Request,
        portal: FilePortal,
        parts: Parts,
        sections: Sequence[Section],
        *,
        marker: str | None = None,
        files: Callable[[str], Call] | None = None,
    ) -> None:
        now_ms = int(request.now.timestamp() * 1000)
        gen = marker or f"session {request.session}"
        self._portal = portal
        self._sections = sections
        self._files = files
        self._tokens = continued(request.cont, stamp_of(gen)) if files is not None else {}
        self._has_marker = marker is not None
        self._kept = KeptValues(
            parts,
            gen,
            now_ms=now_ms,
            not_before_ms=0 if marker else now_ms - JOIN_MINUTES * 60_000,
            expected=len(sections),
        )
        self._found = Findings(stamp_of(gen))
        self._failed_file: Refusal | None = None

    async def all(self) -> Pulled | Incomplete | Refusal:
        """Every section whole, or why not. What came is kept for the next attempt."""
        await self._kept.load()
        self._join()
        ended = await self._go_on_with_files()
        if ended is None and (self._has_marker or not self._found.waiting):
            ended = await self._ask_for_the_rest()
        ended = ended or self._failed_file
        if ended is not None:
            return self._found.going_on(ended)
        return self._found.verdict([section.name for section in self._sections])

    def _join(self) -> None:
        for section in self._sections:
            kept = self._kept.value(section.name) or self._kept.value(_of_files(section), of_any_age=True)
            if kept is None:
                continue
            if kept.value is None:
                self._found.empty.append(section.name)
            elif _agrees(section, kept.value):
                self._found.values[section.name] = kept.value

    async def _go_on_with_files(self) -> Refusal | None:
        """What the portal prepares comes first: without a marker, others would be too old once it is there."""
        left = [one for one in self._sections if one.name in self._tokens and not self._found.settled(one.name)]
        self._found.waiting.update({section.name: self._tokens[section.name] for section in left})
        for section in left:
            if (ended := await self._from_files(section, self._tokens[section.name])) is not None:
                return ended
        return None

    async def _from_files(self, section: Section, waiting: Waiting) -> Refusal | None:
        """Fetch the files of a token; one that leads to none is given up, and the section asked for anew, once."""
        if self._files is None:
            return None
        files = FileSet(self._portal, self._kept, section.name, waiting.token, section.read)
        came = await files.all(self._files(waiting.token))
        if isinstance(came, list):
            await self._take_files(section, came)
        elif came.outcome is OutcomeClass.WAITING_PORTAL:
            delay_ms = came.retry_after_ms or FILE_POLL_MINUTES * 60_000
            self._found.waiting[section.name] = Waiting(waiting.token, waiting.tries, delay_ms)
        elif came.outcome is OutcomeClass.TRANSIENT:
            self._failed_file = came
        elif not is_of_section(came):
            return came
        else:
            del self._found.waiting[section.name]
            if waiting.tries >= REQUESTS_OF_A_FILE:
                self._found.refused[section.name] = came
        return None

    async def _take_files(self, section: Section, pieces: list[Any]) -> None:
        """Kept while others are still being made, which may take longer than parts are joined for."""
        del self._found.waiting[section.name]
        try:
            value = joined(pieces)
            agrees = section.agrees(value)
        except Malformed:
            self._found.refused[section.name] = _DAMAGED
            return
        if agrees:
            await self._kept.keep(_of_files(section), value)
            self._found.values[section.name] = value
        else:
            self._found.disagreeing[section.name] = section.disagreement

    async def _ask_for_the_rest(self) -> Refusal | None:
        """Two passing failures in a row are the portal's, not a section's."""
        failed_before = False
        for section in self._sections:
            if self._found.settled(section.name) or section.name in self._found.waiting:
                continue
            refusal = await self._ask(section)
            if refusal is not None and not await self._noted(section, refusal):
                return refusal
            fails = refusal is not None and refusal.outcome is OutcomeClass.TRANSIENT
            if fails and failed_before:
                return refusal
            failed_before = fails
        return None

    async def _ask(self, section: Section) -> Refusal | None:
        """Ask for a section; what disagrees with its totals is read again once."""
        for _ in range(LOOKS):
            answer = await self._portal.call(section.call)
            if isinstance(answer, Refusal):
                return answer
            try:
                if self._is_prepared(section, answer.payload):
                    return None
                value = section.read(answer.payload)
                agrees = section.agrees(value)
            except Malformed:
                return _DAMAGED
            if agrees:
                await self._kept.keep(section.name, value)
                self._found.values[section.name] = value
                return None
        self._found.disagreeing[section.name] = section.disagreement
        return None

    def _is_prepared(self, section: Section, payload: object) -> bool:
        """Whether the answer is a token of files to come."""
        token = file_token(payload) if self._files is not None else None
        if token is None:
            return False
        tries = self._tokens.get(section.name, Waiting()).tries + 1
        self._found.waiting[section.name] = Waiting(token.token, tries, minutes_ms(token.est_min))
        return True

    async def _noted(self, section: Section, refusal: Refusal) -> bool:
        """Whether a refusal speaks of its section only, and is noted as that."""
        found = self._found
        if refusal.outcome is OutcomeClass.WAITING_PORTAL:
            delay_ms = refusal.retry_after_ms or FILE_POLL_MINUTES * 60_000
            found.waiting[section.name] = Waiting(delay_ms=delay_ms)
        elif not is_of_section(refusal):
            return False
        elif refusal.is_not_offered:
            found.not_offered.append(section.name)
        elif is_gap(section, refusal):
            found.refused[section.name] = refusal
        else:
            found.empty.append(section.name)
            await self._kept.keep(section.name, None)
        return True


def _of_files(section: Section) -> str:
    """What a whole section out of files is kept as: its token is used up, so it is joined for as long as that was."""
    return f"{section.name}.files"


def _agrees(section: Section, value: Any) -> bool:
    try:
        return section.agrees(value)
    except Malformed:
        return False
