"""A portal that answers from a table, for the modules' own checks."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from sync_worker.modules.port import Answer, Call, Files, Link, Refusal

Said = Mapping[str, Any] | Files | Refusal


class ScriptedPortal:
    """Answers by action and, where given, section, part, reference, id or file, and by the address of a file.

    Several answers come one after another, the last one for ever.
    """

    def __init__(self, answers: Mapping[str, Said | list[Said]]) -> None:
        self._answers = {name: list(said) if isinstance(said, list) else [said] for name, said in answers.items()}
        self.asked: list[Call] = []

    async def call(self, call: Call) -> Answer | Refusal:
        said = self._said(call)
        assert not isinstance(said, Files)
        return said if isinstance(said, Refusal) else _answer(said)

    async def files(self, call: Call) -> Files | Refusal:
        said = self._said(call)
        assert isinstance(said, Files | Refusal)
        return said

    async def file(self, link: Link, key: bytes) -> Answer | Refusal:  # noqa: ARG002 - not encrypted here
        return await self.call(Call(link.url))

    def names(self) -> list[str]:
        """What was asked for, in order."""
        return [_name(call) for call in self.asked]

    def _said(self, call: Call) -> Said:
        self.asked.append(call)
        answers = self._answers[_name(call)]
        return answers.pop(0) if len(answers) > 1 else answers[0]


def _name(call: Call) -> str:
    details = (call.params[name] for name in ("section", "part", "ref", "id", "file") if name in call.params)
    return " ".join((call.action, *details))


def _answer(said: Mapping[str, Any]) -> Answer:
    raw = msgspec.json.Encoder(decimal_format="number").encode(said)
    return Answer(msgspec.json.Decoder(float_hook=Decimal).decode(raw), raw)
